/** A region drawn by pointer or moved by keys; without script its numbers are typed. */

const WHOLE = 100
const LEAST = 0.5

for (const form of document.querySelectorAll("[data-region]")) start(form)

function start(form) {
  const canvas = form.querySelector("[data-canvas]")
  if (!canvas) return
  const rect = canvas.querySelector("[data-box]")
  const pad = form.querySelector("[data-pad]")
  const said = form.querySelector("[data-said]")
  const inputs = Object.fromEntries(
    [...form.querySelectorAll("[data-side]")].map((input) => [input.dataset.side, input]),
  )
  const { width: wide, height: tall } = canvas.viewBox.baseVal

  function box() {
    const value = (side) => Number.parseFloat(inputs[side].value)
    return { top: value("top"), left: value("left"), height: value("height"), width: value("width") }
  }

  function draw() {
    const now = box()
    const known = Object.values(now).every(Number.isFinite)
    rect.toggleAttribute("hidden", !known)
    if (!known) return
    rect.setAttribute("x", (now.left / WHOLE) * wide)
    rect.setAttribute("y", (now.top / WHOLE) * tall)
    rect.setAttribute("width", Math.max(0, (now.width / WHOLE) * wide))
    rect.setAttribute("height", Math.max(0, (now.height / WHOLE) * tall))
  }

  function set(next, tell = false) {
    const height = Math.min(WHOLE, Math.max(LEAST, next.height))
    const width = Math.min(WHOLE, Math.max(LEAST, next.width))
    const top = Math.min(WHOLE - height, Math.max(0, next.top))
    const left = Math.min(WHOLE - width, Math.max(0, next.left))
    for (const [side, value] of Object.entries({ top, left, height, width })) {
      inputs[side].value = String(Math.round(value * 10) / 10)
    }
    draw()
    if (tell) {
      said.textContent = `Top ${inputs.top.value} %, left ${inputs.left.value} %, ` +
        `${inputs.height.value} % high, ${inputs.width.value} % wide.`
    }
  }

  const steps = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }
  pad.hidden = false
  pad.addEventListener("keydown", (event) => {
    const step = steps[event.key]
    if (!step || event.ctrlKey || event.metaKey || event.altKey) return
    event.preventDefault()
    event.stopPropagation()
    const now = box()
    if (event.shiftKey) set({ ...now, height: now.height + step[0], width: now.width + step[1] }, true)
    else set({ ...now, top: now.top + step[0], left: now.left + step[1] }, true)
  })

  canvas.addEventListener("pointerdown", (down) => {
    down.preventDefault()
    canvas.setPointerCapture(down.pointerId)
    const at = (event) => {
      const area = canvas.getBoundingClientRect()
      const share = (value, from, size) =>
        Math.min(WHOLE, Math.max(0, ((value - from) / size) * WHOLE))
      return [share(event.clientY, area.top, area.height), share(event.clientX, area.left, area.width)]
    }
    const [top, left] = at(down)
    const move = (event) => {
      const [y, x] = at(event)
      set({
        top: Math.min(top, y), left: Math.min(left, x),
        height: Math.abs(y - top), width: Math.abs(x - left),
      })
    }
    const end = () => {
      canvas.removeEventListener("pointermove", move)
      set(box(), true)
    }
    canvas.addEventListener("pointermove", move)
    canvas.addEventListener("pointerup", end, { once: true })
    canvas.addEventListener("pointercancel", end, { once: true })
  })

  form.addEventListener("input", draw)
  draw()
}

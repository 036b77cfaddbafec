/** The image of a case: zoom, move, brightness and contrast. Without script the image is simply there. */

const MOST = 8

for (const viewer of document.querySelectorAll("[data-viewer]")) open(viewer)

function open(viewer) {
  const pane = viewer.querySelector("[data-pane]")
  const image = pane.querySelector("img")
  const text = viewer.querySelector("[data-zoom-text]")
  const look = { zoom: 1, x: 0, y: 0 }

  function draw() {
    const width = pane.clientWidth
    const height = pane.clientHeight
    look.x = Math.min(0, Math.max(look.x, width * (1 - look.zoom)))
    look.y = Math.min(0, Math.max(look.y, height * (1 - look.zoom)))
    image.style.transform = `translate(${look.x}px, ${look.y}px) scale(${look.zoom})`
    pane.classList.toggle("zoomed", look.zoom > 1)
    text.textContent = look.zoom === 1 ? "" : `zoom ${look.zoom.toFixed(2)}`
  }

  function zoom(factor, x = pane.clientWidth / 2, y = pane.clientHeight / 2) {
    const before = look.zoom
    look.zoom = Math.min(MOST, Math.max(1, before * factor))
    look.x = x - ((x - look.x) * look.zoom) / before
    look.y = y - ((y - look.y) * look.zoom) / before
    draw()
  }

  function reset() {
    Object.assign(look, { zoom: 1, x: 0, y: 0 })
    for (const input of viewer.querySelectorAll('input[type="range"]')) input.value = "100"
    filter()
    draw()
  }

  function filter() {
    const value = (id) => viewer.querySelector(`#${id}`).value
    image.style.filter = `brightness(${value("brightness")}%) contrast(${value("contrast")}%)`
    for (const output of viewer.querySelectorAll("output")) {
      output.textContent = `${value(output.htmlFor[0])} %`
    }
  }

  const acts = { in: () => zoom(1.25), out: () => zoom(0.8), fit: reset }
  for (const button of viewer.querySelectorAll("[data-zoom]")) {
    button.hidden = false
    button.addEventListener("click", acts[button.dataset.zoom])
  }
  const controls = viewer.querySelector("[data-controls]")
  controls.hidden = false
  controls.addEventListener("input", filter)

  pane.addEventListener("wheel", (event) => {
    if (!event.ctrlKey && look.zoom === 1 && document.activeElement !== pane) return
    event.preventDefault()
    const box = pane.getBoundingClientRect()
    zoom(event.deltaY < 0 ? 1.15 : 1 / 1.15, event.clientX - box.left, event.clientY - box.top)
  }, { passive: false })

  const steps = { ArrowLeft: [40, 0], ArrowRight: [-40, 0], ArrowUp: [0, 40], ArrowDown: [0, -40] }
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return
    if (event.target.closest("input, textarea, select")) return
    if (event.key === "+" || event.key === "=") zoom(1.25)
    else if (event.key === "-") zoom(0.8)
    else if (event.key === "0") reset()
    else if (event.key in steps && look.zoom > 1) {
      look.x += steps[event.key][0]
      look.y += steps[event.key][1]
      draw()
    } else return
    event.preventDefault()
  })

  pane.addEventListener("pointerdown", (down) => {
    if (look.zoom === 1) return
    down.preventDefault()
    pane.setPointerCapture(down.pointerId)
    const start = { x: look.x - down.clientX, y: look.y - down.clientY }
    const move = (event) => {
      look.x = start.x + event.clientX
      look.y = start.y + event.clientY
      draw()
    }
    pane.addEventListener("pointermove", move)
    pane.addEventListener("pointerup", () => pane.removeEventListener("pointermove", move), { once: true })
  })
}

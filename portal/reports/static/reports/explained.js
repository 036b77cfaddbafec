/** How strongly a map lies over its image. Without script it lies there at 60 %. */

for (const maps of document.querySelectorAll("[data-maps]")) {
  const control = maps.querySelector("[data-opacity]")
  const layer = maps.querySelector("[data-layer]")
  const input = control.querySelector("input")
  const output = control.querySelector("output")
  const draw = () => {
    layer.style.opacity = `${Number(input.value) / 100}`
    output.textContent = `${input.value} %`
    input.setAttribute("aria-valuetext", `${input.value} %`)
  }
  control.hidden = false
  input.addEventListener("input", draw)
  draw()
}

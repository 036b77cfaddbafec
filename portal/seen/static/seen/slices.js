/** The slider over the slices of a volume. Without script the button beside it asks for a page. */

for (const form of document.querySelectorAll("[data-slices]")) follow(form)

function follow(form) {
  const slider = form.querySelector("input[type=range]")
  const output = form.querySelector("output")
  const images = document.querySelectorAll("img[data-pattern]")
  form.querySelector("button").hidden = true

  slider.addEventListener("input", () => {
    output.textContent = `${slider.value} of ${slider.max}`
    for (const image of images) image.src = image.dataset.pattern.replace("AT", String(slider.value - 1))
  })
  slider.addEventListener("change", () => {
    history.replaceState(null, "", `?at=${slider.value}`)
  })
  form.addEventListener("submit", (event) => event.preventDefault())
}

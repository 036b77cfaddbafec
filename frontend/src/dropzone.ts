/**
 * Lets files be dropped on their input and lists what was chosen:
 * `<div class="drop" data-drop><input type="file"><ul class="chosen" hidden></ul></div>`.
 * A folder that is dropped keeps its paths where the input has `webkitdirectory`.
 */

import { sizeText } from "./size"

const SHOWN = 12

export function enhanceDropzones(root: ParentNode = document): void {
  for (const zone of root.querySelectorAll<HTMLElement>("[data-drop]")) {
    const input = zone.querySelector<HTMLInputElement>('input[type="file"]')
    if (input) enhance(zone, input)
  }
}

function enhance(zone: HTMLElement, input: HTMLInputElement): void {
  const over = (on: boolean) => zone.classList.toggle("over", on)
  zone.addEventListener("dragover", (event) => (event.preventDefault(), over(true)))
  zone.addEventListener("dragleave", () => over(false))
  zone.addEventListener("drop", (event) => {
    event.preventDefault()
    over(false)
    const dropped = event.dataTransfer?.files
    if (!dropped?.length) return
    input.files = dropped
    input.dispatchEvent(new Event("change", { bubbles: true }))
  })
  input.addEventListener("change", () => listChosen(zone, [...(input.files ?? [])]))
}

export function listChosen(zone: HTMLElement, files: readonly File[]): void {
  const list = zone.querySelector<HTMLElement>(".chosen")
  if (!list) return
  const rows = files
    .slice(0, SHOWN)
    .map((file) => row(file.webkitRelativePath || file.name, file.size))
  const rest = files.slice(SHOWN)
  if (rest.length) {
    const bytes = rest.reduce((sum, file) => sum + file.size, 0)
    rows.push(row(`and ${rest.length.toLocaleString("en-GB")} more`, bytes))
  }
  list.replaceChildren(...rows)
  list.hidden = files.length === 0
}

function row(name: string, bytes: number): HTMLLIElement {
  const item = document.createElement("li")
  const left = document.createElement("span")
  const right = document.createElement("span")
  left.textContent = name
  right.textContent = sizeText(bytes)
  item.append(left, right)
  return item
}

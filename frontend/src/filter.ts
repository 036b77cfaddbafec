/**
 * Filters the rows of a table that is wholly on the page:
 * `<input type="search" data-filter="#table">`; `data-filter-count="#n"` receives how many are left.
 */

export function listenForFilter(root: Document = document): void {
  root.addEventListener("input", (event) => {
    const input = event.target as HTMLInputElement
    if (input.dataset?.filter) filterRows(input, root)
  })
}

export function filterRows(input: HTMLInputElement, root: ParentNode = document): void {
  const table = root.querySelector(input.dataset.filter ?? "")
  if (!table) return
  const words = input.value.toLowerCase().split(/\s+/).filter(Boolean)
  let left = 0
  for (const row of table.querySelectorAll<HTMLTableRowElement>("tbody > tr")) {
    const text = (row.textContent ?? "").toLowerCase()
    row.hidden = !words.every((word) => text.includes(word))
    if (!row.hidden) left += 1
  }
  const count = input.dataset.filterCount && root.querySelector(input.dataset.filterCount)
  if (count) count.textContent = left.toLocaleString("en-GB")
}

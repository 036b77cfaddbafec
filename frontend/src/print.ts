/** Print buttons: `<button data-print hidden>`. */

export function listenForPrint(root: Document = document): void {
  for (const button of root.querySelectorAll<HTMLButtonElement>("[data-print]")) {
    button.hidden = false
  }
  root.addEventListener("click", (event) => {
    if ((event.target as Element | null)?.closest("[data-print]")) window.print()
  })
}

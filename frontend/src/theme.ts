/** Shows a chosen theme at once: `<select data-theme-choice>`; the server keeps the choice. */

export function listenForTheme(root: Document = document): void {
  root.addEventListener("change", (event) => {
    const control = event.target as HTMLSelectElement | HTMLInputElement
    if (!control.matches?.("[data-theme-choice], [data-theme-choice] input")) return
    applyTheme(control.value, root)
  })
}

export function applyTheme(theme: string, root: Document = document): void {
  if (theme === "light" || theme === "dark") root.documentElement.dataset.theme = theme
  else delete root.documentElement.dataset.theme
}

/** j and k on pages with a next and a previous: `<a rel="next" href>`, `<a rel="prev" href>`. */

const RELATION: Readonly<Record<string, string>> = { j: "next", k: "prev" }

export function listenForKeys(root: Document = document): void {
  root.addEventListener("keydown", (event) => {
    const relation = RELATION[event.key]
    if (!relation || event.ctrlKey || event.metaKey || event.altKey || isTyping(event)) return
    root.querySelector<HTMLAnchorElement>(`a[rel="${relation}"][href]`)?.click()
  })
}

function isTyping(event: KeyboardEvent): boolean {
  const target = event.target as HTMLElement | null
  return !!target?.closest?.("input, textarea, select, [contenteditable]")
}

/** Boxes that scroll sideways: said in words, and reached by the keyboard, while something is off screen. */

const HINT = "More at the right: scroll sideways, or focus the table and press the arrow keys."

export function showScroll(root: ParentNode = document): () => void {
  // one with a role of its own was made to be focused by its page
  const boxes = [...root.querySelectorAll<HTMLElement>(".scroll:not([role])")]
  const look = () => boxes.forEach(mark)
  look()
  if (typeof ResizeObserver === "undefined") return () => undefined
  const watcher = new ResizeObserver(look)
  boxes.forEach((box) => watcher.observe(box))
  return () => watcher.disconnect()
}

function mark(box: HTMLElement): void {
  const isWider = box.scrollWidth > box.clientWidth + 1
  const above = box.previousElementSibling
  const hint = above?.classList.contains("scrollhint") ? above : undefined
  if (!isWider) {
    hint?.remove()
    for (const name of ["tabindex", "role", "aria-label"]) box.removeAttribute(name)
    return
  }
  if (hint) return
  const words = document.createElement("p")
  words.className = "scrollhint xs mut noprint"
  words.textContent = HINT
  box.before(words)
  box.tabIndex = 0
  box.setAttribute("role", "region")
  box.setAttribute("aria-label", nameOf(box))
}

function nameOf(box: HTMLElement): string {
  const caption = box.querySelector("caption")?.textContent
  const heading = box.closest("section, .card")?.querySelector("h2, h3")?.textContent
  return (caption || heading || "Table").replace(/\s+/g, " ").trim()
}

"""What the Tab key reaches on a page, and whether one sees where it is."""

from playwright.sync_api import Page

# Numbers everything that a mouse could use; of radios with one name, the one that is chosen.
_MARK = """() => {
  const all = [...document.querySelectorAll("a[href], button, input, select, textarea, summary")]
  const usable = all.filter((it) => {
    if (it.disabled || it.type === "hidden" || it.tabIndex < 0) return false
    if (!it.checkVisibility({ visibilityProperty: true })) return false
    if (it.type !== "radio") return true
    const group = all.filter((other) => other.type === "radio" && other.name === it.name)
    return it === (group.find((other) => other.checked) ?? group[0])
  })
  usable.forEach((it, number) => { it.dataset.number = String(number) })
  const says = (it) => it.getAttribute("aria-label") ?? it.textContent.trim()
  return usable.map((it) => `<${it.localName}> ${says(it)} ${it.id}`)
}"""
_WHERE = """() => {
  const it = document.activeElement
  if (!it || it === document.body) return [-1, true]
  const look = getComputedStyle(it)
  const label = it.closest("label") ? getComputedStyle(it.closest("label")) : look
  const seen = [look, label].some((one) => one.outlineStyle !== "none" || one.boxShadow !== "none")
  return [Number(it.dataset.number ?? -1), seen]
}"""


def unreached(page: Page) -> list[str]:
    """What Tab does not come to, and what it comes to unseen, on a page that was just opened."""
    names: list[str] = page.evaluate(_MARK)
    reached: set[int] = set()
    unseen: set[int] = set()
    for _ in range(len(names) + 20):
        page.keyboard.press("Tab")
        number, is_seen = page.evaluate(_WHERE)
        if number in reached and number == min(reached):
            break
        if number >= 0:
            reached.add(number)
            unseen |= set() if is_seen else {number}
    missed = [f"not reached: {name}" for number, name in enumerate(names) if number not in reached]
    return missed + [f"focus not seen: {names[number]}" for number in sorted(unseen)]

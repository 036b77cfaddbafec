import { beforeEach, expect, test, vi } from "vitest"
import { showScroll } from "./scroll"

let look = () => undefined as void
beforeEach(() => {
  vi.stubGlobal(
    "ResizeObserver",
    class {
      constructor(seen: () => void) {
        look = seen
      }
      observe() {}
      disconnect() {}
    },
  )
})

function page(inside: number, outside: number): HTMLElement {
  document.body.innerHTML = `<section><h2>Use and plan</h2><div class="scroll"><table></table></div></section>`
  const box = document.querySelector<HTMLElement>(".scroll")!
  Object.defineProperty(box, "scrollWidth", { value: inside, configurable: true })
  Object.defineProperty(box, "clientWidth", { value: outside, configurable: true })
  return box
}

test("a box with something off screen says so and can be focused", () => {
  const box = page(760, 358)
  showScroll()
  look()
  expect(document.querySelectorAll(".scrollhint")).toHaveLength(1)
  expect(document.querySelector(".scrollhint")!.textContent).toContain("scroll sideways")
  expect(box.tabIndex).toBe(0)
  expect(box.getAttribute("role")).toBe("region")
  expect(box.getAttribute("aria-label")).toBe("Use and plan")
})

test("a box that holds all it has is left alone, and left alone again once it does", () => {
  const box = page(358, 358)
  showScroll()
  expect(box.hasAttribute("tabindex")).toBe(false)
  expect(document.querySelector(".scrollhint")).toBeNull()

  Object.defineProperty(box, "scrollWidth", { value: 760, configurable: true })
  look()
  expect(box.tabIndex).toBe(0)
  Object.defineProperty(box, "scrollWidth", { value: 300, configurable: true })
  look()
  expect(box.hasAttribute("tabindex")).toBe(false)
  expect(document.querySelector(".scrollhint")).toBeNull()
})

test("a box that its page made a region stays one", () => {
  const box = page(300, 358)
  box.setAttribute("role", "region")
  box.tabIndex = 0
  showScroll()
  expect(box.tabIndex).toBe(0)
  expect(box.getAttribute("role")).toBe("region")
})

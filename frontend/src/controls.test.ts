import { beforeEach, expect, test, vi } from "vitest"
import { listenForConfirm } from "./confirm"
import { listenForCopy, offerCopy } from "./copy"
import { filterRows } from "./filter"
import { listenForKeys } from "./keys"
import { applyTheme } from "./theme"

// jsdom has no modal dialogs
HTMLDialogElement.prototype.showModal = function () {
  this.open = true
}
HTMLDialogElement.prototype.close = function () {
  this.open = false
  this.dispatchEvent(new Event("close"))
}

beforeEach(() => {
  document.body.innerHTML = ""
})

function submitted(form: HTMLFormElement) {
  const seen = vi.fn((event: Event) => event.preventDefault())
  form.addEventListener("submit", seen)
  return seen
}

function press(text: string) {
  const buttons = [...document.querySelectorAll<HTMLButtonElement>("dialog button")]
  buttons.find((button) => button.textContent === text)!.click()
}

listenForConfirm()
listenForKeys()
listenForCopy()

test("a form that asks is sent only after a yes", () => {
  document.body.innerHTML = `<form data-confirm="It ends." data-confirm-yes="End it"><button>x</button></form>`
  const form = document.querySelector("form")!
  const seen = submitted(form)

  form.requestSubmit()
  expect(document.querySelector("dialog")!.textContent).toContain("It ends.")
  press("Cancel")
  expect(document.querySelector("dialog")).toBeNull()
  expect(seen).not.toHaveBeenCalled()

  form.requestSubmit()
  press("End it")
  expect(seen).toHaveBeenCalledOnce()
  expect(document.querySelector("dialog")).toBeNull()
})

test("other forms are left alone", () => {
  document.body.innerHTML = `<form><button>x</button></form>`
  const form = document.querySelector("form")!
  submitted(form)
  form.requestSubmit()
  expect(document.querySelector("dialog")).toBeNull()
})

test("copy buttons appear where copying works, and copy the whole text", async () => {
  const writeText = vi.fn(async () => undefined)
  Object.defineProperty(navigator, "clipboard", { value: { writeText }, configurable: true })
  document.body.innerHTML = `<button data-copy="64b551aa" hidden><svg></svg></button>`

  offerCopy()
  const button = document.querySelector("button")!
  expect(button.hidden).toBe(false)
  button.querySelector("svg")!.dispatchEvent(new MouseEvent("click", { bubbles: true }))

  expect(writeText).toHaveBeenCalledWith("64b551aa")
  await vi.waitFor(() => expect(button.title).toBe("Copied"))
})

test("the filter keeps rows that hold every word, and counts them", () => {
  document.body.innerHTML = `<input data-filter="#t" data-filter-count="#n"><b id="n"></b><table id="t"><tbody>
    <tr><td>case 1</td><td>Missed</td></tr><tr><td>case 2</td><td>Found</td></tr></tbody></table>`
  const input = document.querySelector("input")!

  input.value = "MISSED case"
  filterRows(input)

  expect([...document.querySelectorAll("tr")].map((row) => row.hidden)).toEqual([false, true])
  expect(document.querySelector("#n")!.textContent).toBe("1")
  input.value = ""
  filterRows(input)
  expect(document.querySelector("#n")!.textContent).toBe("2")
})

test("j and k go on and back, but not while typing", () => {
  document.body.innerHTML = `<a rel="prev" href="#p">p</a><a rel="next" href="#n">n</a><input>`
  const clicks: string[] = []
  for (const link of document.querySelectorAll("a")) {
    link.addEventListener("click", (event) => (event.preventDefault(), clicks.push(link.rel)))
  }
  const type = (key: string, target: Element = document.body) =>
    target.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }))

  type("j")
  type("k")
  type("j", document.querySelector("input")!)
  type("x")

  expect(clicks).toEqual(["next", "prev"])
})

test("a theme is shown at once, and the system's again", () => {
  applyTheme("dark")
  expect(document.documentElement.dataset.theme).toBe("dark")
  applyTheme("system")
  expect(document.documentElement.dataset.theme).toBeUndefined()
})

import { afterEach, beforeEach, expect, test, vi } from "vitest"
import { enhanceDropzones, listChosen } from "./dropzone"
import { sizeText } from "./size"
import { enhanceUploads } from "./upload"

test("sizes are written as on the server", () => {
  expect([840, 64_990_000, 2e9].map(sizeText)).toEqual(["840 bytes", "65.0 MB", "2.0 GB"])
})

test("chosen files are listed, many of them as a sum", () => {
  document.body.innerHTML = `<div data-drop><input type="file"><ul class="chosen" hidden></ul></div>`
  const zone = document.querySelector<HTMLElement>("[data-drop]")!
  enhanceDropzones()

  listChosen(
    zone,
    Array.from({ length: 15 }, (_, k) => new File(["12345"], `<b>${k}.png`)),
  )

  const rows = [...zone.querySelectorAll("li")]
  expect(rows).toHaveLength(13)
  expect(rows[0]!.textContent).toBe("<b>0.png5 bytes")
  expect(rows[12]!.textContent).toBe("and 3 more15 bytes")
  expect(zone.querySelector("ul")!.hidden).toBe(false)
  listChosen(zone, [])
  expect(zone.querySelector("ul")!.hidden).toBe(true)
})

class FakeRequest extends EventTarget {
  static last: FakeRequest
  upload = new EventTarget()
  status = 200
  responseURL = ""
  responseText = ""
  type = "text/html; charset=utf-8"
  body: FormData | undefined
  constructor() {
    super()
    FakeRequest.last = this
  }
  open() {}
  setRequestHeader() {}
  getResponseHeader() {
    return this.type
  }
  send(body: FormData) {
    this.body = body
  }
  abort() {
    this.dispatchEvent(new Event("abort"))
  }
}

beforeEach(() => vi.stubGlobal("XMLHttpRequest", FakeRequest))
afterEach(() => vi.unstubAllGlobals())

function submitUpload(): HTMLFormElement {
  document.body.innerHTML = `<form data-upload action="/hand-in/"><input name="title" value="x"><button>Hand in</button></form>`
  vi.spyOn(window, "scrollTo").mockImplementation(() => undefined)
  enhanceUploads()
  const form = document.querySelector("form")!
  form.requestSubmit(form.querySelector("button"))
  return form
}

test("an upload says how far it is", () => {
  const form = submitUpload()
  expect(FakeRequest.last.body!.get("title")).toBe("x")
  expect(form.querySelector("button")!.disabled).toBe(true)

  FakeRequest.last.upload.dispatchEvent(
    new ProgressEvent("progress", { loaded: 54_100_000, total: 87_000_000 }),
  )

  expect(form.querySelector('[role="status"]')!.textContent).toBe("54.1 MB of 87.0 MB")
  expect(form.querySelector("progress")!.value).toBeCloseTo(62.2, 1)
})

test("a page with errors replaces this one", () => {
  submitUpload()
  const replaced = vi.fn()
  document.addEventListener("page:replaced", replaced)
  FakeRequest.last.status = 400
  FakeRequest.last.responseText = "<title>Refused</title><body><p>Row 3 has no case_id.</p></body>"

  FakeRequest.last.dispatchEvent(new Event("load"))

  expect(document.body.textContent).toContain("Row 3 has no case_id.")
  expect(document.title).toBe("Refused")
  expect(replaced).toHaveBeenCalled()
})

test("a broken connection says what happened and lets one try again", () => {
  const form = submitUpload()
  FakeRequest.last.dispatchEvent(new Event("error"))
  expect(form.textContent).toContain("The connection broke. Nothing was kept")
  expect(form.querySelector<HTMLButtonElement>(":scope > button")!.disabled).toBe(false)
})

test("an upload can be stopped", () => {
  const form = submitUpload()
  form.querySelector<HTMLButtonElement>(".upload-progress button")!.click()
  expect(form.textContent).toContain("Stopped. Nothing was kept.")
})

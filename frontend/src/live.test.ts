import { afterEach, beforeEach, expect, test, vi } from "vitest"
import { keepFresh, secondsToWait } from "./live"

const running = `<section id="box" data-live-url="/progress/" data-live-seconds="2">1 of 4</section>`
const finished = `<section id="box">done</section>`

beforeEach(() => {
  vi.useFakeTimers()
  document.body.innerHTML = running
})
afterEach(() => {
  vi.restoreAllMocks()
  vi.useRealTimers()
})

function serverSends(...pages: (string | Error)[]) {
  const fetch = vi.fn(async () => {
    const page = pages.shift() ?? finished
    if (page instanceof Error) throw page
    return new Response(page)
  })
  vi.stubGlobal("fetch", fetch)
  return fetch
}

test("replaces the box until the server stops asking for it", async () => {
  const fetch = serverSends(running.replace("1", "3"), finished)
  const changed = vi.fn()
  keepFresh(document, changed)

  await vi.advanceTimersByTimeAsync(2000)
  expect(document.body.textContent).toBe("3 of 4")
  await vi.advanceTimersByTimeAsync(2000)
  expect(document.body.textContent).toBe("done")

  await vi.advanceTimersByTimeAsync(60_000)
  expect(fetch).toHaveBeenCalledTimes(2)
  expect(changed).toHaveBeenCalledTimes(2)
})

test("keeps the last progress while the server is away", async () => {
  serverSends(new Error("no network"), finished)
  keepFresh()

  await vi.advanceTimersByTimeAsync(2000)
  expect(document.body.textContent).toBe("1 of 4")
  await vi.advanceTimersByTimeAsync(4000)
  expect(document.body.textContent).toBe("done")
})

test("does not put a login page in the box", async () => {
  serverSends(`<form id="login"></form>`)
  keepFresh()

  await vi.advanceTimersByTimeAsync(2000)

  expect(document.querySelector("form")).toBeNull()
})

test("what a person unfolded stays unfolded", async () => {
  const log = `<details id="log"><summary>Log</summary></details>`
  document.body.innerHTML = running.replace("1 of 4", log)
  document.querySelector("details")!.open = true
  serverSends(finished.replace("done", log))
  keepFresh()

  await vi.advanceTimersByTimeAsync(2000)

  expect(document.querySelector("section")!.dataset.liveUrl).toBeUndefined()
  expect(document.querySelector("details")!.open).toBe(true)
})

test("stops when told to", async () => {
  const fetch = serverSends()
  keepFresh()()

  await vi.advanceTimersByTimeAsync(60_000)

  expect(fetch).not.toHaveBeenCalled()
})

test("waits longer after each failure, but never more than a minute", () => {
  const box = document.querySelector<HTMLElement>("#box")!
  expect([0, 1, 9].map((failures) => secondsToWait(box, failures))).toEqual([2, 4, 60])
})

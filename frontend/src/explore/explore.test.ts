import { beforeEach, expect, test, vi } from "vitest"
import { figure, groupFields, numericFields, type Palette, type Points } from "./figure"

const draw = vi.hoisted(() => vi.fn(async () => undefined))
vi.mock("./plotly", () => ({ draw }))
import { within } from "./choose"
import { openExplore, showPicked } from "./view"

const points: Points = {
  fields: ["case_id", "score", "width", "present", "site"],
  rows: [
    ["a", 0.25, 240, 1, "X"],
    ["b", null, 300, 0, "Y"],
    ["<c>", 0.004, 512, 0, null],
  ],
}
const palette: Palette = {
  ink: "#000",
  ink3: "#333",
  grid: "#eee",
  font: "Inter",
  ground: "#fff",
  series: ["#111", "#222"],
}

test("a case without a value is not drawn, and every point knows its case", () => {
  const made = figure(points, { x: "score", y: "width" }, palette)
  expect(made.data).toHaveLength(1)
  expect(made.data[0]).toMatchObject({ x: [0.25, 0.004], customdata: ["a", "<c>"] })
})

test("groups differ by shape, not only by colour", () => {
  const made = figure(points, { x: "score", y: "width", colour: "present" }, palette)
  const markers = made.data.map((trace) => (trace as { marker: { symbol: string } }).marker.symbol)
  expect(new Set(markers).size).toBe(made.data.length)
  expect(made.layout.showlegend).toBe(true)
})

test("what is shown on hovering cannot bring markup", () => {
  const made = figure(points, { x: "score", y: "width" }, palette)
  expect(JSON.stringify(made.data)).not.toContain("case_id: <c>")
})

test("an unknown field is named", () => {
  expect(() => figure(points, { x: "age", y: "width" }, palette)).toThrow("no field age")
})

test("which fields can be axes and which can colour", () => {
  expect(numericFields(points)).toEqual(["score", "width", "present"])
  expect(groupFields(points, 2)).toEqual(["present"])
})

beforeEach(() => {
  draw.mockClear()
  vi.stubGlobal("matchMedia", () => ({ addEventListener: () => undefined }))
  document.body.innerHTML = `<div data-explore-url="/p.json" data-case-url="/case/" data-x="score" data-y="width">
    <select name="x"></select><select name="y"></select><div class="explore"></div>
    <form class="picked" method="get"><input type="hidden" name="ids"><span data-picked></span><button disabled>Open</button></form>
    <form data-range><input name="x-from"><input name="x-to"><input name="y-from"><input name="y-to"><button>Select</button></form>
    <p data-list-of></p><table data-list></table></div>`
})

const root = () => document.querySelector<HTMLElement>("[data-explore-url]")!

test("offers the numeric fields and draws the asked ones", async () => {
  vi.stubGlobal("fetch", async () => new Response(JSON.stringify(points)))
  await openExplore(root())
  expect(document.querySelector<HTMLSelectElement>('select[name="y"]')!.value).toBe("width")
  expect(draw).toHaveBeenCalledOnce()

  document.querySelector("select")!.dispatchEvent(new Event("change", { bubbles: true }))
  expect(draw).toHaveBeenCalledTimes(2)
})

test("says so when the points cannot be loaded", async () => {
  vi.stubGlobal("fetch", async () => new Response("", { status: 503 }))
  await openExplore(root())
  expect(document.querySelector(".explore")!.textContent).toContain("could not be loaded")
})

test("selected points become the ids of the case list", () => {
  showPicked(root(), ["a", "b"], 3)
  expect(document.querySelector<HTMLInputElement>("[name=ids]")!.value).toBe("a,b")
  expect(document.querySelector("[data-picked]")!.textContent).toBe("2 cases selected")
  expect(document.querySelector(".picked button")!.textContent).toBe("Open these 2 cases")
})

test("the button can be reached before anything is selected, and opens all", () => {
  showPicked(root(), [], 1300)
  const button = document.querySelector<HTMLButtonElement>(".picked button")!
  expect(button.disabled).toBe(false)
  expect(button.textContent).toBe("Open all 1,300 cases")
  expect(document.querySelector<HTMLInputElement>("[name=ids]")!.disabled).toBe(true)
})

test("points can be chosen by numbers, edges included", () => {
  const all = { xFrom: -Infinity, xTo: Infinity, yFrom: -Infinity, yTo: Infinity }
  const axes = { x: "score", y: "width" }
  expect(within(points, axes, all)).toEqual(["a", "<c>"])
  expect(within(points, axes, { ...all, xFrom: 0.25 })).toEqual(["a"])
  expect(within(points, axes, { ...all, yFrom: 241, yTo: 512 })).toEqual(["<c>"])
})

async function opened() {
  vi.stubGlobal("fetch", async () => new Response(JSON.stringify(points)))
  await openExplore(root())
  draw.mockClear()
}

test("a range chosen by the keyboard selects its points and shows them in the chart", async () => {
  await opened()
  document.querySelector<HTMLInputElement>("[name=x-from]")!.value = "0.1"
  document.querySelector<HTMLFormElement>("[data-range]")!.requestSubmit()
  expect(document.querySelector<HTMLInputElement>("[name=ids]")!.value).toBe("a")
  expect(document.querySelector(".picked button")!.textContent).toBe("Open this case")
  const [, traces] = draw.mock.lastCall as unknown as [unknown, { selectedpoints: number[] }[]]
  expect(traces[0]!.selectedpoints).toEqual([0])
})

test("the list holds every point with a way to its case and a box to choose it", async () => {
  await opened()
  const boxes = [...document.querySelectorAll<HTMLInputElement>("[data-point]")]
  expect(boxes.map((box) => box.value)).toEqual(["<c>", "a"]) // from left to right
  const link = document.querySelector<HTMLAnchorElement>("[data-list] a")!
  expect(link.textContent).toBe("<c>")
  expect(link.getAttribute("href")).toBe("/case/%3Cc%3E/")
  expect(document.querySelector("[data-list-of]")!.textContent).toContain("All 2 points")

  boxes[1]!.click()
  expect(document.querySelector<HTMLInputElement>("[name=ids]")!.value).toBe("a")
  expect(draw).toHaveBeenCalledOnce()
  boxes[1]!.click()
  expect(document.querySelector<HTMLInputElement>("[name=ids]")!.value).toBe("")
})

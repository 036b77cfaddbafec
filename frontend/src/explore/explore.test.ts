import { beforeEach, expect, test, vi } from "vitest"
import { figure, groupFields, numericFields, type Palette, type Points } from "./figure"

const draw = vi.hoisted(() => vi.fn(async () => undefined))
vi.mock("./plotly", () => ({ draw }))
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
  document.body.innerHTML = `<div data-explore-url="/p.json" data-x="score" data-y="width">
    <select name="x"></select><select name="y"></select><div class="explore"></div>
    <form class="picked" method="get"><input type="hidden" name="ids"><span data-picked></span><button>Open</button></form></div>`
})

const root = () => document.querySelector<HTMLElement>("[data-explore-url]")!

test("offers the numeric fields and draws the asked ones", async () => {
  vi.stubGlobal("fetch", async () => new Response(JSON.stringify(points)))
  await openExplore(root())
  expect(document.querySelector<HTMLSelectElement>('select[name="y"]')!.value).toBe("width")
  expect(draw).toHaveBeenCalledOnce()

  root().dispatchEvent(new Event("change"))
  expect(draw).toHaveBeenCalledTimes(2)
})

test("says so when the points cannot be loaded", async () => {
  vi.stubGlobal("fetch", async () => new Response("", { status: 503 }))
  await openExplore(root())
  expect(document.querySelector(".explore")!.textContent).toContain("could not be loaded")
})

test("selected points become the ids of the case list", () => {
  showPicked(root(), ["a", "b"])
  expect(document.querySelector<HTMLInputElement>("[name=ids]")!.value).toBe("a,b")
  expect(document.querySelector("[data-picked]")!.textContent).toBe("2 cases selected")
  expect(document.querySelector("button")!.disabled).toBe(false)
  showPicked(root(), [])
  expect(document.querySelector("button")!.disabled).toBe(true)
})

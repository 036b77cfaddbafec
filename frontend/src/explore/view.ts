/**
 * An explore view: fetches per-case points, draws them, and opens the cases that are selected.
 *
 * `<div data-explore-url="…/points.json" data-cases-url="…/cases/" data-x data-y data-colour>`
 * with, inside, `<div class="explore">` and optionally `<select name="x|y|colour">`,
 * `<form class="picked" method="get">` with `<input type="hidden" name="ids">` and an element
 * `[data-picked]` for the count.
 */

import { figure, groupFields, numericFields, type Axes, type Palette, type Points } from "./figure"
import { draw } from "./plotly"

const LONGEST_QUERY = 6000 // characters; longer lists are sent by post

export async function openExplore(root: HTMLElement): Promise<void> {
  const plot = root.querySelector<HTMLElement>(".explore")
  const url = root.dataset.exploreUrl
  if (!plot || !url) return
  const points = await load(url)
  if (!points) {
    plot.textContent =
      "The points could not be loaded. Load the page again; the tables hold the same numbers."
    return
  }
  offerFields(root, points)
  const redraw = () => {
    const made = figure(points, chosenAxes(root, points), readPalette(root))
    return draw(plot, made.data, made.layout, (ids) => showPicked(root, ids))
  }
  root.addEventListener("change", () => void redraw())
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => void redraw())
  showPicked(root, [])
  await redraw()
}

async function load(url: string): Promise<Points | undefined> {
  try {
    const response = await fetch(url)
    return response.ok ? ((await response.json()) as Points) : undefined
  } catch {
    return undefined
  }
}

function offerFields(root: HTMLElement, points: Points): void {
  const numeric = numericFields(points)
  fill(root, "x", numeric, root.dataset.x ?? numeric[0])
  fill(root, "y", numeric, root.dataset.y ?? numeric[1] ?? numeric[0])
  fill(root, "colour", ["", ...groupFields(points)], root.dataset.colour ?? "")
}

function fill(root: HTMLElement, name: string, fields: string[], chosen: string | undefined): void {
  const select = root.querySelector<HTMLSelectElement>(`select[name="${name}"]`)
  select?.replaceChildren(
    ...fields.map((field) => new Option(field || "none", field, false, field === chosen)),
  )
}

export function chosenAxes(root: HTMLElement, points: Points): Axes {
  const value = (name: string) =>
    root.querySelector<HTMLSelectElement>(`select[name="${name}"]`)?.value ?? root.dataset[name]
  const numeric = numericFields(points)
  const x = value("x") || numeric[0]
  const y = value("y") || numeric[1] || numeric[0]
  if (!x || !y) throw new Error("these points have no numeric field to draw")
  const colour = value("colour")
  return colour ? { x, y, colour } : { x, y }
}

export function showPicked(root: HTMLElement, ids: readonly string[]): void {
  const form = root.querySelector<HTMLFormElement>("form.picked")
  const count = root.querySelector<HTMLElement>("[data-picked]")
  const number = ids.length.toLocaleString("en-GB")
  if (count) {
    count.textContent =
      ids.length === 0
        ? "Select points with the lasso, or one by a click, to open their cases."
        : `${number} ${ids.length === 1 ? "case" : "cases"} selected`
  }
  if (!form) return
  const field = form.querySelector<HTMLInputElement>('input[name="ids"]')
  if (field) field.value = ids.join(",")
  form.method = (field?.value.length ?? 0) > LONGEST_QUERY && form.dataset.post ? "post" : "get"
  const open = form.querySelector<HTMLButtonElement>("button")
  if (open) open.disabled = ids.length === 0
}

function readPalette(element: HTMLElement): Palette {
  const style = getComputedStyle(element)
  const token = (name: string) => style.getPropertyValue(name).trim()
  return {
    ink: token("--ink"),
    ink3: token("--ink-3"),
    grid: token("--grid"),
    font: token("--sans"),
    ground: token("--surface"),
    series: ["--c-neg", "--c-pos", "--c-model", "--c-reader", "--c-compare", "--c-random"].map(
      token,
    ),
  }
}

/**
 * An explore view: fetches per-case points, draws them, and opens the cases that are selected.
 *
 * `<div data-explore-url="…/points.json" data-cases-url="…/cases/" data-x data-y data-colour>`
 * with, inside, `<div class="explore">` and optionally `<select name="x|y|colour">`,
 * `<form class="picked" method="get">` with `<input type="hidden" name="ids">` and an element
 * `[data-picked]` for the count. For those without a pointer `<form data-range>` with numbers
 * x-from, x-to, y-from and y-to, and `<table data-list>` with `[data-list-of]` for its sentence.
 */

import { list, rangeOf, within } from "./choose"
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
  let picked = new Set<string>()
  const redraw = () => {
    const made = figure(points, chosenAxes(root, points), readPalette(root), picked)
    return draw(plot, made.data, made.layout, (ids) => choose(ids))
  }
  const choose = (ids: readonly string[]) => {
    picked = new Set(ids)
    showPicked(root, ids, points.rows.length)
    showList(root, points, picked)
  }
  root.addEventListener("change", (event) => {
    const changed = event.target as HTMLInputElement
    if (changed.dataset.point !== undefined) {
      if (changed.checked) picked.add(changed.value)
      else picked.delete(changed.value)
      showPicked(root, [...picked], points.rows.length)
      void redraw()
    } else if (changed.localName === "select") {
      showList(root, points, picked)
      void redraw()
    }
  })
  root.querySelector<HTMLFormElement>("form[data-range]")?.addEventListener("submit", (event) => {
    event.preventDefault()
    const range = rangeOf(event.currentTarget as HTMLFormElement)
    choose(within(points, chosenAxes(root, points), range))
    void redraw()
  })
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => void redraw())
  choose([])
  await redraw()
}

function showList(root: HTMLElement, points: Points, picked: ReadonlySet<string>): void {
  const table = root.querySelector<HTMLTableElement>("table[data-list]")
  if (!table) return
  const said = list(table, points, chosenAxes(root, points), picked, root.dataset.caseUrl ?? "")
  const sentence = root.querySelector<HTMLElement>("[data-list-of]")
  if (sentence) sentence.textContent = said
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

/** The count and the button, which opens what is chosen, or all of them; never out of reach. */
export function showPicked(root: HTMLElement, ids: readonly string[], total: number): void {
  const form = root.querySelector<HTMLFormElement>("form.picked")
  const count = root.querySelector<HTMLElement>("[data-picked]")
  const number = ids.length.toLocaleString("en-GB")
  const noun = ids.length === 1 ? "case" : "cases"
  if (count) {
    count.textContent =
      ids.length === 0
        ? "Select points with the lasso, one by a click, or from the list below."
        : `${number} ${noun} selected`
  }
  if (!form) return
  const field = form.querySelector<HTMLInputElement>('input[name="ids"]')
  if (field) field.value = ids.join(",")
  form.method = (field?.value.length ?? 0) > LONGEST_QUERY && form.dataset.post ? "post" : "get"
  for (const hidden of form.querySelectorAll<HTMLInputElement>('input[type="hidden"]')) {
    hidden.disabled = hidden === field ? ids.length === 0 : form.method === "get"
  }
  const open = form.querySelector<HTMLButtonElement>("button")
  if (!open) return
  open.disabled = false
  open.textContent =
    ids.length === 0
      ? `Open all ${total.toLocaleString("en-GB")} cases`
      : ids.length === 1
        ? "Open this case"
        : `Open these ${number} cases`
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

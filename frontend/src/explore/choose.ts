/** Choosing points without a pointer: between two numbers of each axis, or one by one from a list. */

import type { Axes, Cell, Points } from "./figure"
import { written } from "./figure"

const LONGEST_LIST = 100

export interface Range {
  xFrom: number
  xTo: number
  yFrom: number
  yTo: number
}

/** Cases whose point lies within the range, edges included; a case without a value has no point. */
export function within(points: Points, axes: Axes, range: Range): string[] {
  const x = points.fields.indexOf(axes.x)
  const y = points.fields.indexOf(axes.y)
  const inside = (cell: Cell | undefined, from: number, to: number) =>
    typeof cell === "number" && cell >= from && cell <= to
  return points.rows
    .filter((row) => inside(row[x], range.xFrom, range.xTo) && inside(row[y], range.yFrom, range.yTo))
    .map((row) => String(row[0]))
}

/** The numbers of the form; an empty field has no end. */
export function rangeOf(form: HTMLFormElement): Range {
  const number = (name: string, otherwise: number) => {
    const text = form.querySelector<HTMLInputElement>(`[name="${name}"]`)?.value.trim() ?? ""
    return text === "" || Number.isNaN(Number(text)) ? otherwise : Number(text)
  }
  return {
    xFrom: number("x-from", -Infinity),
    xTo: number("x-to", Infinity),
    yFrom: number("y-from", -Infinity),
    yTo: number("y-to", Infinity),
  }
}

/** Fills the list: the chosen points first, then the others from left to right. */
export function list(
  table: HTMLTableElement,
  points: Points,
  axes: Axes,
  picked: ReadonlySet<string>,
  caseUrl: string,
): string {
  const shown = [axes.x, axes.y, ...(axes.colour ? [axes.colour] : [])]
  const at = shown.map((field) => points.fields.indexOf(field))
  const [x = 0, y = 0] = at
  const drawn = points.rows.filter((row) => row[x] != null && row[y] != null)
  const isPicked = (row: readonly Cell[]) => Number(picked.has(String(row[0])))
  drawn.sort((a, b) => isPicked(b) - isPicked(a) || Number(a[x]) - Number(b[x]))
  const head = document.createElement("thead")
  head.append(line("th", ["Select", "Case", ...shown]))
  const body = document.createElement("tbody")
  for (const row of drawn.slice(0, LONGEST_LIST)) {
    const id = String(row[0])
    body.append(
      line("td", [tick(id, picked.has(id)), link(id, caseUrl), ...at.map((k) => written(row[k]))]),
    )
  }
  table.replaceChildren(head, body)
  const all = drawn.length.toLocaleString("en-GB")
  return drawn.length > LONGEST_LIST
    ? `The first ${LONGEST_LIST} of ${all} points: chosen ones first, then from left to right.`
    : `All ${all} points: chosen ones first, then from left to right.`
}

function line(kind: "th" | "td", cells: (string | Node)[]): HTMLTableRowElement {
  const row = document.createElement("tr")
  for (const cell of cells) {
    const made = document.createElement(kind)
    if (kind === "th") made.setAttribute("scope", "col")
    made.append(cell)
    row.append(made)
  }
  return row
}

function tick(id: string, isPicked: boolean): HTMLInputElement {
  const box = document.createElement("input")
  box.type = "checkbox"
  box.value = id
  box.checked = isPicked
  box.dataset.point = ""
  box.setAttribute("aria-label", `Select ${id}`)
  return box
}

function link(id: string, caseUrl: string): HTMLAnchorElement {
  const made = document.createElement("a")
  made.href = `${caseUrl}${encodeURIComponent(id)}/`
  made.textContent = id
  return made
}

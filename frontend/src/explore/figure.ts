/** Pure: per-case points in, a Plotly figure out. Drawing it is the view's business. */

import type { Data, Layout } from "plotly.js"

export type Cell = string | number | boolean | null

/** The series of kind "points": the first field is the case id, rows are cases. */
export interface Points {
  fields: readonly string[]
  rows: readonly (readonly Cell[])[]
}

export interface Axes {
  x: string
  y: string
  colour?: string
}

/** The page's colours, read from its style sheet, so that the view follows the theme. */
export interface Palette {
  ink: string
  ink3: string
  grid: string
  font: string
  ground: string
  series: readonly string[]
}

export interface Figure {
  data: Data[]
  layout: Partial<Layout>
}

const SYMBOLS = ["circle", "x", "square", "diamond", "cross", "triangle-up"] as const
const WITHOUT = "all cases"

/** `picked`: cases that stand out, as after a lasso; none of them: all alike. */
export function figure(
  points: Points,
  axes: Axes,
  palette: Palette,
  picked: ReadonlySet<string> = new Set(),
): Figure {
  const x = column(points, axes.x)
  const y = column(points, axes.y)
  const group = axes.colour === undefined ? undefined : column(points, axes.colour)
  const groups = new Map<string, number[]>()
  points.rows.forEach((row, k) => {
    if (!isShown(row[x]) || !isShown(row[y])) return
    const name = group === undefined ? WITHOUT : String(row[group] ?? "not given")
    const members = groups.get(name) ?? []
    members.push(k)
    groups.set(name, members)
  })
  const names = [...groups.keys()].sort()
  return {
    data: names.map((name, k) =>
      trace(points, { x, y }, name, groups.get(name) ?? [], k, palette, picked),
    ),
    layout: layout(axes, palette, names.length > 1),
  }
}

function trace(
  points: Points,
  at: { x: number; y: number },
  name: string,
  members: readonly number[],
  k: number,
  palette: Palette,
  picked: ReadonlySet<string>,
): Data {
  const rows = members.map((index) => points.rows[index] ?? [])
  return {
    type: "scatter",
    mode: "markers",
    name: `${name} (${members.length.toLocaleString("en-GB")})`,
    x: rows.map((row) => row[at.x] as number | string),
    y: rows.map((row) => row[at.y] as number | string),
    customdata: rows.map((row) => String(row[0])),
    text: rows.map((row) => hover(points.fields, row)),
    hovertemplate: "%{text}<extra></extra>",
    marker: {
      color: palette.series[k % palette.series.length] ?? palette.ink,
      symbol: SYMBOLS[k % SYMBOLS.length] ?? "circle", // never by colour alone
      size: 7,
      opacity: 0.75,
    },
    ...(picked.size > 0 && {
      selectedpoints: rows.flatMap((row, place) => (picked.has(String(row[0])) ? [place] : [])),
    }),
    selected: { marker: { opacity: 1 } },
    unselected: { marker: { opacity: 0.15 } },
  } as Data // the library's types leave out selected and unselected
}

function layout(axes: Axes, palette: Palette, legend: boolean): Partial<Layout> {
  const axis = (title: string) => ({
    title: { text: title },
    gridcolor: palette.grid,
    linecolor: palette.ink3,
    zeroline: false,
    automargin: true,
  })
  return {
    xaxis: axis(axes.x),
    yaxis: axis(axes.y),
    font: { family: palette.font, size: 12, color: palette.ink },
    paper_bgcolor: palette.ground,
    plot_bgcolor: palette.ground,
    margin: { l: 56, r: 16, t: 16, b: 48 },
    dragmode: "lasso",
    hovermode: "closest",
    showlegend: legend,
    legend: { orientation: "h", y: 1.08 },
  }
}

/** Fields whose every value is a number, true or false can stand on an axis. */
export function numericFields(points: Points): string[] {
  return points.fields.filter((_, k) => {
    if (k === 0) return false
    const known = points.rows.map((row) => row[k]).filter((cell) => cell !== null)
    return known.length > 0 && known.every((cell) => typeof cell === "number")
  })
}

/** Fields with few different values can colour the points. */
export function groupFields(points: Points, atMost = 6): string[] {
  return points.fields.filter((_, k) => {
    if (k === 0) return false
    return new Set(points.rows.map((row) => row[k])).size <= atMost
  })
}

function column(points: Points, field: string): number {
  const k = points.fields.indexOf(field)
  if (k < 0) throw new Error(`no field ${field}; there are ${points.fields.join(", ")}`)
  return k
}

function isShown(cell: Cell | undefined): boolean {
  return cell !== null && cell !== undefined
}

function hover(fields: readonly string[], row: readonly Cell[]): string {
  return fields.map((field, k) => asMarkup(`${field}: ${written(row[k])}`)).join("<br>")
}

/** A value as a person reads it, as plain text. */
export function written(cell: Cell | undefined): string {
  if (cell === null || cell === undefined) return "not given"
  if (typeof cell === "number" && !Number.isInteger(cell)) {
    return cell.toFixed(Math.abs(cell) < 0.01 ? 5 : 3).replace("-", "\u2212")
  }
  return String(cell)
}

function asMarkup(text: string): string {
  return text.replace(/[<>&]/g, (sign) => `&#${sign.charCodeAt(0)};`)
}

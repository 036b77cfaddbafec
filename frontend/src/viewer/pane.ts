/** What lies over a slice: the map, the cross of the other two slices, and the words at its edges. */

import { coloured } from "./colours"
import type { Point, Shown } from "./cornerstone"
import { sliceOf, type Laid, type Plane, type Triple } from "./geometry"

export interface Over {
  readonly voxel: Triple
  readonly map: Laid | null
  readonly scale: number
  readonly opacity: number
}

const CROSS = "rgb(255 214 102 / 70%)"

/** Draw over one slice; the canvas is as large as the pane. */
export function drawOver(canvas: HTMLCanvasElement, shown: Shown, plane: Plane, sides: Triple, over: Over): void {
  const ratio = window.devicePixelRatio || 1
  const [width, height] = [canvas.clientWidth, canvas.clientHeight]
  canvas.width = Math.round(width * ratio)
  canvas.height = Math.round(height * ratio)
  const context = canvas.getContext("2d")
  if (!context) return
  context.scale(ratio, ratio)
  if (over.map) drawMap(context, shown, plane, sides, over, over.map)
  drawCross(context, shown.toPane(plane.name, over.voxel), width, height)
}

function drawMap(
  context: CanvasRenderingContext2D, shown: Shown, plane: Plane, sides: Triple, over: Over, map: Laid,
): void {
  const slice = sliceOf(map, sides, plane, over.voxel[plane.across])
  const picture = document.createElement("canvas")
  picture.width = slice.columns
  picture.height = slice.rows
  picture.getContext("2d")?.putImageData(
    new ImageData(coloured(slice.values, over.scale, over.opacity), slice.columns, slice.rows), 0, 0,
  )
  const [left, top] = shown.toPane(plane.name, corner(plane, sides, over.voxel, 0))
  const [right, bottom] = shown.toPane(plane.name, corner(plane, sides, over.voxel, 1))
  context.imageSmoothingEnabled = true
  context.drawImage(picture, left, top, right - left, bottom - top)
}

/** The outer corner of a slice: 0 at its left and top, 1 at its right and bottom. */
export function corner(plane: Plane, sides: Triple, voxel: Triple, end: 0 | 1): Triple {
  const found: [number, number, number] = [...voxel]
  const edge = (axis: number, last: boolean): number => (last ? (sides[axis] as number) - 0.5 : -0.5)
  found[plane.right] = edge(plane.right, end === 1)
  found[plane.down] = edge(plane.down, plane.downwards ? end === 1 : end === 0)
  return found
}

function drawCross(context: CanvasRenderingContext2D, [x, y]: Point, width: number, height: number): void {
  const gap = 6 // around the voxel itself, so that it can be seen
  context.strokeStyle = CROSS
  context.lineWidth = 1
  context.beginPath()
  for (const [from, to] of [[0, x - gap], [x + gap, width]] as const) {
    context.moveTo(from, y)
    context.lineTo(to, y)
  }
  for (const [from, to] of [[0, y - gap], [y + gap, height]] as const) {
    context.moveTo(x, from)
    context.lineTo(x, to)
  }
  context.stroke()
}

const SLOP = 3 // pixels that a press may move and still be one

/** Presses, drags and turns of the wheel over a pane. */
export interface Wanted {
  onPoint(point: Point): void
  onWindow(right: number, down: number): void
  onPan(by: Point): void
  onScroll(slices: number): void
  onZoom(factor: number): void
}

/**
 * A press or drag chooses the voxel; with the second button, or Alt, it changes the window; with
 * Shift it moves the slice. The wheel goes through slices; with Ctrl it zooms.
 */
export function listenToPane(pane: HTMLElement, wanted: Wanted): void {
  pane.addEventListener("pointerdown", (pressed) => {
    const kind = pressed.button === 2 || pressed.altKey ? "window" : pressed.shiftKey || pressed.button === 1 ? "pan" : "point"
    const box = pane.getBoundingClientRect()
    let last: Point = [pressed.clientX, pressed.clientY]
    let moved = 0
    pane.setPointerCapture(pressed.pointerId)
    const point = (event: PointerEvent): Point => [event.clientX - box.left, event.clientY - box.top]
    const move = (event: PointerEvent): void => {
      const by: Point = [event.clientX - last[0], event.clientY - last[1]]
      last = [event.clientX, event.clientY]
      moved += Math.abs(by[0]) + Math.abs(by[1])
      if (kind === "window") wanted.onWindow(by[0] / box.width, by[1] / box.height)
      else if (kind === "pan") wanted.onPan(by)
      else if (moved > SLOP) wanted.onPoint(point(event))
    }
    const up = (event: PointerEvent): void => {
      pane.removeEventListener("pointermove", move)
      if (kind === "point") wanted.onPoint(point(event))
    }
    pane.addEventListener("pointermove", move)
    pane.addEventListener("pointerup", up, { once: true })
  })
  pane.addEventListener("contextmenu", (event) => event.preventDefault())
  pane.addEventListener(
    "wheel",
    (event) => {
      event.preventDefault()
      if (event.ctrlKey) wanted.onZoom(event.deltaY < 0 ? 1.1 : 1 / 1.1)
      else wanted.onScroll(event.deltaY < 0 ? 1 : -1)
    },
    { passive: false },
  )
}

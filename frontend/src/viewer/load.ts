/** What the viewer asks the portal for, and what is wrong with an answer in words. */

import { laid, laidLengths, type Laid, type Triple } from "./geometry"

/** As portal/seen/viewer.py hands it to the page. */
export interface Given {
  readonly url: string
  readonly bytes: number
  readonly shape: Triple
  readonly axes: string
  readonly spacing_mm: Triple
  readonly slope: number
  readonly intercept: number
  readonly case: string
  readonly modality: string
  readonly overlays: readonly Overlay[]
}

export interface Overlay {
  readonly id: string
  readonly url: string
  readonly title: string
  readonly layer: string
}

export interface LoadedMap {
  readonly map: Laid
  readonly largest: number
  readonly score: number
}

/** A sentence for people. */
export class Said extends Error {}

export async function loadVolume(given: Given, onBytes: (done: number) => void): Promise<Laid> {
  const data = await bytesOf(given.url, onBytes)
  if (data.byteLength !== given.bytes) throw new Said("The volume did not arrive whole. Load the page again.")
  return laid(new Float32Array(data), given.shape, given.axes, given.slope, given.intercept)
}

export const lengthsOf = (given: Given): Triple => laidLengths(given.spacing_mm, given.axes)

export async function loadMap(overlay: Overlay, axes: string): Promise<LoadedMap> {
  const answer = await answered(overlay.url)
  if (answer.status === 204) throw new Said(answer.headers.get("X-Map-Reason") ?? "There is no map of this case.")
  const sides = (answer.headers.get("X-Map-Sides") ?? "").split(",").map(Number)
  const values = new Float32Array(await answer.arrayBuffer())
  const [a, b, c] = sides
  if (sides.length !== 3 || a === undefined || b === undefined || c === undefined || a * b * c !== values.length) {
    throw new Said("The map is not one of a volume.")
  }
  let largest = 0
  for (const value of values) largest = Math.max(largest, Math.abs(value))
  return { map: laid(values, [a, b, c], axes), largest, score: Number(answer.headers.get("X-Map-Score")) }
}

async function answered(url: string): Promise<Response> {
  let answer: Response
  try {
    answer = await fetch(url, { credentials: "same-origin" })
  } catch {
    throw new Said("The portal cannot be reached.")
  }
  if (!answer.ok) throw new Said(`The portal answered ${answer.status}. Load the page again.`)
  return answer
}

async function bytesOf(url: string, onBytes: (done: number) => void): Promise<ArrayBuffer> {
  const answer = await answered(url)
  if (!answer.body) return answer.arrayBuffer()
  const pieces: Uint8Array[] = []
  let done = 0
  const reader = answer.body.getReader()
  for (;;) {
    const { done: ended, value } = await reader.read()
    if (ended) break
    pieces.push(value)
    done += value.length
    onBytes(done)
  }
  const whole = new Uint8Array(done)
  let at = 0
  for (const piece of pieces) {
    whole.set(piece, at)
    at += piece.length
  }
  return whole.buffer
}

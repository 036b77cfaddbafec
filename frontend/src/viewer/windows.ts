/** Windows of grey: what is black and what is white, in the unit of the file. */

export interface Window {
  readonly name: string
  readonly low: number
  readonly high: number
}

const around = (name: string, level: number, width: number): Window => ({
  name, low: level - width / 2, high: level + width / 2,
})

// Levels and widths that radiologists use on CT, in Hounsfield units.
const CT: readonly Window[] = [
  around("Lung", -600, 1500),
  around("Soft tissue", 40, 400),
  around("Bone", 500, 2000),
  around("Brain", 40, 80),
]

export function windowsOf(modality: string, ranges: { least: number; most: number; low: number; high: number }): Window[] {
  const own: Window[] = [
    { name: "1st to 99th percentile", low: ranges.low, high: ranges.high },
    { name: "All values", low: ranges.least, high: ranges.most },
  ]
  return [...own, ...(modality.toUpperCase() === "CT" ? CT : [])].map(widened)
}

/** A window of no width shows nothing. */
export function widened(window: Window): Window {
  return window.high > window.low ? window : { ...window, low: window.low - 0.5, high: window.low + 0.5 }
}

/** Moved by a drag over a pane: to the right is wider, down is brighter. */
export function dragged(window: Window, right: number, down: number): Window {
  const width = Math.max((window.high - window.low) * Math.exp(2 * right), 1e-6)
  const level = (window.high + window.low) / 2 - down * (window.high - window.low)
  return { name: "Own", low: level - width / 2, high: level + width / 2 }
}

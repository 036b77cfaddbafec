/** Colours of a signed map: warm where it raised the score, cold where it lowered it. */

const WARM = [255, 122, 24] as const
const COLD = [64, 156, 255] as const

/**
 * Pixels of a slice of a map: how opaque says how large, up to `scale`, the colour says the sign.
 *
 * @param opacity of values at the scale and beyond, 0 to 1.
 */
export function coloured(values: Float32Array, scale: number, opacity: number): Uint8ClampedArray<ArrayBuffer> {
  const pixels = new Uint8ClampedArray(values.length * 4)
  for (let at = 0; at < values.length; at++) {
    const value = values[at] as number
    const [red, green, blue] = value < 0 ? COLD : WARM
    const share = scale > 0 ? Math.min(Math.abs(value) / scale, 1) : 0
    pixels.set([red, green, blue, Math.round(255 * opacity * share)], at * 4)
  }
  return pixels
}

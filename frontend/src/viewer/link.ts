/** What an address says of the viewer: which voxel, which map, how opaque. */

import type { Triple } from "./geometry"

export interface Linked {
  readonly voxel: Triple | null
  readonly overlay: string
  readonly opacity: number | null
}

export function readLink(search: string): Linked {
  const given = new URLSearchParams(search)
  const parts = (given.get("voxel") ?? "").split(",").map((part) => (/^\d{1,4}$/.test(part) ? Number(part) : NaN))
  const [x, y, z] = parts
  const whole = parts.length === 3 && parts.every(Number.isFinite)
  const opacity = Number(given.get("opacity") ?? NaN)
  return {
    voxel: whole ? [x as number, y as number, z as number] : null,
    overlay: given.get("overlay") ?? "",
    opacity: opacity >= 0 && opacity <= 100 ? opacity : null,
  }
}

/** The same address with these; other parameters stay. */
export function writeLink(search: string, voxel: Triple, overlay: string, opacity: number): string {
  const given = new URLSearchParams(search)
  given.set("voxel", voxel.join(","))
  if (overlay) {
    given.set("overlay", overlay)
    given.set("opacity", String(opacity))
  } else {
    given.delete("overlay")
    given.delete("opacity")
  }
  return `?${given.toString().replaceAll("%2C", ",")}`
}

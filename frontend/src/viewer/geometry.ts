/** How a prepared volume lies in the patient, and what is where on a slice of it. No drawing. */

export type Triple = readonly [number, number, number]
export type PlaneName = "axial" | "coronal" | "sagittal"

/** A volume whose axes run to the patient's left, back (posterior) and top, the first the fastest. */
export interface Laid {
  readonly sides: Triple
  readonly values: Float32Array
}

/** What a plane shows: the axis it is cut across, and those that run to the right and down. */
export interface Plane {
  readonly name: PlaneName
  readonly title: string
  readonly across: 0 | 1 | 2
  readonly right: 0 | 1 | 2
  readonly down: 0 | 1 | 2
  readonly downwards: boolean // whether the axis grows downwards
  readonly edges: readonly [left: string, right: string, top: string, bottom: string]
}

export const PLANES: readonly Plane[] = [
  { name: "axial", title: "Axial", across: 2, right: 0, down: 1, downwards: true, edges: ["R", "L", "A", "P"] },
  { name: "coronal", title: "Coronal", across: 1, right: 0, down: 2, downwards: false, edges: ["R", "L", "S", "I"] },
  { name: "sagittal", title: "Sagittal", across: 0, right: 1, down: 2, downwards: false, edges: ["A", "P", "S", "I"] },
]

const TOWARDS = "LPS"
const OPPOSITE: Readonly<Record<string, string>> = { L: "R", P: "A", S: "I" }

/** For left, back and top: which declared axis runs along it, and whether it runs the other way. */
export function turnOf(axes: string): readonly { axis: number; flipped: boolean }[] {
  return [...TOWARDS].map((letter) => {
    const same = axes.indexOf(letter)
    const axis = same >= 0 ? same : axes.indexOf(OPPOSITE[letter] ?? "")
    if (axis < 0) throw new Error(`no axes of a volume: ${axes}`)
    return { axis, flipped: same < 0 }
  })
}

/**
 * Voxels in the order that a model declares (the last axis the fastest), laid to left, back and top.
 * Each becomes `slope * value + intercept`.
 */
export function laid(values: Float32Array, shape: Triple, axes: string, slope = 1, intercept = 0): Laid {
  const strides: Triple = [shape[1] * shape[2], shape[2], 1]
  const turn = turnOf(axes).map(({ axis, flipped }) => {
    const side = shape[axis] as number
    const stride = strides[axis] as number
    return { side, step: flipped ? -stride : stride, start: flipped ? (side - 1) * stride : 0 }
  })
  const [x, y, z] = turn as [(typeof turn)[0], (typeof turn)[0], (typeof turn)[0]]
  const found = new Float32Array(values.length)
  let at = 0
  for (let k = 0; k < z.side; k++) {
    for (let j = 0; j < y.side; j++) {
      let from = x.start + y.start + z.start + k * z.step + j * y.step
      for (let i = 0; i < x.side; i++, from += x.step) {
        found[at++] = slope * (values[from] as number) + intercept
      }
    }
  }
  return { sides: [x.side, y.side, z.side], values: found }
}

/** Lengths of the declared axes, in the order left, back, top. */
export function laidLengths(lengths: Triple, axes: string): Triple {
  const [x, y, z] = turnOf(axes).map(({ axis }) => lengths[axis] as number)
  return [x as number, y as number, z as number]
}

export function valueAt(volume: Laid, [x, y, z]: Triple): number {
  const [nx, ny] = volume.sides
  return volume.values[x + nx * (y + ny * z)] as number
}

/** A voxel inside the volume that is nearest to these places. */
export function clamped(place: Triple, sides: Triple): Triple {
  const one = (at: number): number => Math.min(Math.max(Math.round(place[at] as number), 0), (sides[at] as number) - 1)
  return [one(0), one(1), one(2)]
}

/** Where the middle of a voxel lies on a coarser or finer grid with the same outer edges. */
export function onGrid(at: number, side: number, other: number): number {
  return ((at + 0.5) * other) / side - 0.5
}

/** The two places about another, inside a side, and the share of the second. */
function between(place: number, side: number): readonly [number, number, number] {
  const low = Math.min(Math.max(Math.floor(place), 0), side - 1)
  const high = Math.min(low + 1, side - 1)
  return [low, high, Math.min(Math.max(place - low, 0), 1)]
}

/**
 * A slice of a map on the voxels of a volume: interpolated in all three directions, its border
 * repeated beyond the border. Rows run down and columns to the right, as the plane shows them.
 */
export function sliceOf(map: Laid, sides: Triple, plane: Plane, index: number): { rows: number; columns: number; values: Float32Array } {
  const columns = sides[plane.right] as number
  const rows = sides[plane.down] as number
  const values = new Float32Array(rows * columns)
  const strides = [1, map.sides[0], map.sides[0] * map.sides[1]]
  const of = (axis: number, at: number): readonly [number, number, number] => {
    const [low, high, share] = between(onGrid(at, sides[axis] as number, map.sides[axis] as number), map.sides[axis] as number)
    return [low * (strides[axis] as number), high * (strides[axis] as number), share]
  }
  const [nearA, nearB, near] = of(plane.across, index)
  const across = Array.from({ length: columns }, (_, column) => of(plane.right, column))
  for (let row = 0; row < rows; row++) {
    const [upA, upB, up] = of(plane.down, plane.downwards ? row : rows - 1 - row)
    for (let column = 0; column < columns; column++) {
      const [leftA, leftB, left] = across[column] as readonly [number, number, number]
      const mixed = (a: number): number => {
        const v = map.values
        const first = (v[a + upA + leftA] as number) * (1 - left) + (v[a + upA + leftB] as number) * left
        const second = (v[a + upB + leftA] as number) * (1 - left) + (v[a + upB + leftB] as number) * left
        return first * (1 - up) + second * up
      }
      values[row * columns + column] = mixed(nearA) * (1 - near) + mixed(nearB) * near
    }
  }
  return { rows, columns, values }
}

/** The smallest and the largest value, and the first and last percentile, of a sample of voxels. */
export function rangesOf(values: Float32Array): { least: number; most: number; low: number; high: number } {
  const step = Math.max(1, Math.floor(values.length / 100_000))
  const sample = Float32Array.from({ length: Math.ceil(values.length / step) }, (_, at) => values[at * step] as number).sort()
  let least = Infinity
  let most = -Infinity
  for (const value of values) {
    if (value < least) least = value
    if (value > most) most = value
  }
  const at = (share: number): number => sample[Math.round(share * (sample.length - 1))] as number
  return { least, most, low: at(0.01), high: at(0.99) }
}

import { describe, expect, it } from "vitest"
import { coloured } from "./colours"
import { clamped, laid, laidLengths, onGrid, PLANES, rangesOf, sliceOf, turnOf, valueAt, type Plane } from "./geometry"
import { readLink, writeLink } from "./link"
import { dragged, widened, windowsOf } from "./windows"

const plane = (name: string): Plane => PLANES.find((one) => one.name === name) as Plane
const counted = (n: number): Float32Array => Float32Array.from({ length: n }, (_, at) => at)

describe("how a volume lies", () => {
  it("runs to left, back and top whichever way the model declares it", () => {
    // 2 x 3 x 4 along right, front and top: the voxel at r, a, s holds 12 r + 4 a + s.
    const volume = laid(counted(24), [2, 3, 4], "RAS")
    expect(volume.sides).toEqual([2, 3, 4])
    expect(valueAt(volume, [0, 0, 0])).toBe(12 + 8) // left most is the last to the right
    expect(valueAt(volume, [1, 2, 3])).toBe(3)
    const turned = laid(counted(24), [2, 3, 4], "SLP")
    expect(turned.sides).toEqual([3, 4, 2])
    expect(valueAt(turned, [2, 1, 1])).toBe(12 + 8 + 1)
    expect(laidLengths([5, 1, 2], "SLP")).toEqual([1, 2, 5])
  })

  it("keeps a volume of its own axes as it is, and brings values to the file's unit", () => {
    const volume = laid(counted(24), [4, 3, 2], "SPL", 2, -5)
    expect([...volume.values]).toEqual([...counted(24)].map((value) => 2 * value - 5))
    expect(() => turnOf("RAX")).toThrow("no axes")
  })

  it("keeps a place inside", () => {
    expect(clamped([-3, 1.4, 9], [4, 4, 4])).toEqual([0, 1, 3])
  })
})

describe("a slice of a map", () => {
  it("is the map itself where the grids are the same, as it is looked at", () => {
    const map = { sides: [2, 3, 4] as const, values: counted(24) }
    const axial = sliceOf(map, map.sides, plane("axial"), 1)
    expect([axial.rows, axial.columns]).toEqual([3, 2])
    expect([...axial.values]).toEqual([6, 7, 8, 9, 10, 11])
    const coronal = sliceOf(map, map.sides, plane("coronal"), 2) // top row first
    expect([...coronal.values]).toEqual([22, 23, 16, 17, 10, 11, 4, 5])
    const sagittal = sliceOf(map, map.sides, plane("sagittal"), 0)
    expect([...sagittal.values]).toEqual([18, 20, 22, 12, 14, 16, 6, 8, 10, 0, 2, 4])
  })

  it("has the volume's outer edges, and is straight between the places of the map", () => {
    expect(onGrid(0, 4, 2)).toBe(-0.25)
    expect(onGrid(3, 4, 2)).toBe(1.25)
    const map = { sides: [2, 1, 1] as const, values: new Float32Array([0, 4]) }
    expect([...sliceOf(map, [4, 1, 1], plane("axial"), 0).values]).toEqual([0, 1, 3, 4])
    const along = { sides: [1, 1, 2] as const, values: new Float32Array([0, 4]) }
    expect([...sliceOf(along, [1, 1, 4], plane("axial"), 2).values]).toEqual([3])
    expect([...sliceOf(along, [1, 1, 4], plane("coronal"), 0).values]).toEqual([4, 3, 1, 0])
  })
})

describe("colours", () => {
  it("say the sign, and how opaque they are the size", () => {
    const pixels = coloured(new Float32Array([2, -1, 0, -9]), 2, 0.5)
    expect(pixels[0]).toBeGreaterThan(pixels[2] as number)
    expect(pixels[6]).toBeGreaterThan(pixels[4] as number)
    expect([3, 7, 11, 15].map((at) => pixels[at])).toEqual([128, 64, 0, 128])
  })

  it("show nothing of a map that is 0 everywhere", () => {
    expect([...coloured(new Float32Array([0, 0]), 0, 1)].filter((_, at) => at % 4 === 3)).toEqual([0, 0])
  })
})

describe("windows", () => {
  it("are those of CT for CT alone", () => {
    const ranges = rangesOf(new Float32Array([5, 1, 3]))
    expect(ranges).toEqual({ least: 1, most: 5, low: 1, high: 5 })
    expect(windowsOf("CT", ranges).map(({ name }) => name)).toContain("Lung")
    expect(windowsOf("MR", ranges)).toHaveLength(2)
    expect(windowsOf("CT", ranges).find(({ name }) => name === "Lung")).toMatchObject({ low: -1350, high: 150 })
  })

  it("are never without a width", () => {
    expect(widened({ name: "", low: 3, high: 3 })).toMatchObject({ low: 2.5, high: 3.5 })
    const wider = dragged({ name: "", low: 0, high: 10 }, 0.5, 0)
    expect(wider.high - wider.low).toBeCloseTo(10 * Math.E)
    expect(dragged({ name: "", low: 0, high: 10 }, 0, 0.1)).toMatchObject({ low: -1, high: 9 })
  })
})

describe("the address", () => {
  it("holds the voxel, the map and how opaque it is, and keeps the rest", () => {
    const written = writeLink("?at=3", [1, 22, 3], "A-0001-0", 40)
    expect(written).toBe("?at=3&voxel=1,22,3&overlay=A-0001-0&opacity=40")
    expect(readLink(written)).toEqual({ voxel: [1, 22, 3], overlay: "A-0001-0", opacity: 40 })
    expect(writeLink(written, [0, 0, 0], "", 40)).toBe("?at=3&voxel=0,0,0")
  })

  it("is not believed where it says nonsense", () => {
    expect(readLink("?voxel=1,2")).toEqual({ voxel: null, overlay: "", opacity: null })
    expect(readLink("?voxel=1,-2,x&opacity=900")).toEqual({ voxel: null, overlay: "", opacity: null })
  })
})

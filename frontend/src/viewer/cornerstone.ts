/** Cornerstone3D. All of it that the portal touches is here. */

import {
  cache,
  Enums,
  init,
  RenderingEngine,
  setVolumesForViewports,
  volumeLoader,
  type Types,
} from "@cornerstonejs/core"
import { PLANES, type Laid, type Plane, type PlaneName, type Triple } from "./geometry"

export type Point = readonly [number, number]

/** Three slices of one volume, each in an element of its own. */
export interface Shown {
  setVoxel(voxel: Triple): void
  setWindow(low: number, high: number): void
  zoom(plane: PlaneName, factor: number): void
  pan(plane: PlaneName, by: Point): void
  reset(): void
  /** Where a place of the volume, in voxels, lies on an element, in pixels of the page. */
  toPane(plane: PlaneName, place: Triple): Point
  toVoxel(plane: PlaneName, point: Point): Triple
  resize(): void
  close(): void
}

const ENGINE = "plumbline"
const VOLUME = "plumbline-volume" // no colon: slices of an id with one are asked of a loader
const ORIENTATIONS = {
  axial: Enums.OrientationAxis.AXIAL,
  coronal: Enums.OrientationAxis.CORONAL,
  sagittal: Enums.OrientationAxis.SAGITTAL,
}

/**
 * Draw a volume.
 *
 * @param spacing of its voxels in mm, to left, back and top.
 * @param onDrawn called when a slice has been drawn, so that what lies over it can follow.
 */
export async function show(
  panes: Readonly<Record<PlaneName, HTMLDivElement>>,
  volume: Laid,
  spacing: Triple,
  onDrawn: (plane: PlaneName) => void,
): Promise<Shown> {
  await init()
  cache.purgeCache()
  const [columns, rows] = volume.sides
  volumeLoader.createLocalVolume(VOLUME, {
    dimensions: [...volume.sides],
    spacing: [...spacing],
    origin: [0, 0, 0],
    direction: [1, 0, 0, 0, 1, 0, 0, 0, 1],
    scalarData: volume.values,
    metadata: {
      BitsAllocated: 32, BitsStored: 32, HighBit: 31, SamplesPerPixel: 1, PixelRepresentation: 1,
      PhotometricInterpretation: "MONOCHROME2", Modality: "OT", FrameOfReferenceUID: VOLUME,
      ImageOrientationPatient: [1, 0, 0, 0, 1, 0], PixelSpacing: [spacing[1], spacing[0]],
      Columns: columns, Rows: rows, voiLut: [],
    } as unknown as Types.Metadata,
  })
  const engine = new RenderingEngine(ENGINE)
  for (const { name } of PLANES) {
    panes[name].addEventListener(Enums.Events.IMAGE_RENDERED, () => onDrawn(name))
  }
  engine.setViewports(
    PLANES.map(({ name }) => ({
      viewportId: name,
      type: Enums.ViewportType.ORTHOGRAPHIC,
      element: panes[name],
      defaultOptions: { orientation: ORIENTATIONS[name], background: [0, 0, 0] as Types.Point3 },
    })),
  )
  await setVolumesForViewports(engine, [{ volumeId: VOLUME }], PLANES.map(({ name }) => name))
  return shown(engine, volume.sides, spacing)
}

function shown(engine: RenderingEngine, sides: Triple, spacing: Triple): Shown {
  const viewport = (plane: PlaneName): Types.IVolumeViewport => engine.getViewport(plane) as Types.IVolumeViewport
  const world = (place: Triple): Types.Point3 => [
    place[0] * spacing[0], place[1] * spacing[1], place[2] * spacing[2],
  ]
  let voxel: Triple = [sides[0] >> 1, sides[1] >> 1, sides[2] >> 1]

  /** The slice through the middle of the voxel: what is drawn there are its values themselves. */
  const place = (plane: Plane): void => {
    const camera = viewport(plane.name).getCamera()
    const [focal, position] = [camera.focalPoint, camera.position]
    if (!focal || !position) return
    const by = world(voxel)[plane.across] - (focal[plane.across] as number)
    const moved = (point: Types.Point3): Types.Point3 => {
      const found: Types.Point3 = [...point]
      found[plane.across] += by
      return found
    }
    viewport(plane.name).setCamera({ focalPoint: moved(focal), position: moved(position) })
  }
  const draw = (): void => engine.renderViewports(PLANES.map(({ name }) => name))

  return {
    setVoxel(wanted) {
      voxel = wanted
      PLANES.forEach(place)
      draw()
    },
    setWindow(lower, upper) {
      for (const { name } of PLANES) viewport(name).setProperties({ voiRange: { lower, upper } })
      draw()
    },
    zoom(plane, factor) {
      viewport(plane).setZoom(viewport(plane).getZoom() * factor)
      viewport(plane).render()
    },
    pan(plane, [right, down]) {
      const [x, y] = viewport(plane).getPan()
      viewport(plane).setPan([x + right, y + down])
      viewport(plane).render()
    },
    reset() {
      for (const { name } of PLANES) viewport(name).resetCamera()
      PLANES.forEach(place)
      draw()
    },
    toPane(plane, at) {
      const [x, y] = viewport(plane).worldToCanvas(world(at))
      return [x, y]
    },
    toVoxel(plane, [x, y]) {
      const found = viewport(plane).canvasToWorld([x, y])
      return [found[0] / spacing[0], found[1] / spacing[1], found[2] / spacing[2]]
    },
    resize() {
      engine.resize(true, true)
      PLANES.forEach(place)
      draw()
    },
    close() {
      engine.destroy()
      cache.purgeCache()
    },
  }
}

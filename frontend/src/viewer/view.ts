/** The viewer: its state, its controls and its keys. Without it the page's slices stay. */

import type { Shown } from "./cornerstone"
import { clamped, PLANES, rangesOf, valueAt, type Laid, type Plane, type PlaneName, type Triple } from "./geometry"
import { readLink, writeLink } from "./link"
import { lengthsOf, loadMap, loadVolume, Said, type Given, type LoadedMap } from "./load"
import { drawOver, listenToPane } from "./pane"
import { dragged, widened, windowsOf, type Window } from "./windows"

interface State {
  voxel: Triple
  window: Window
  overlay: string
  map: LoadedMap | null
  opacity: number // per cent
  share: number // of the largest magnitude, per cent, that is fully coloured
  plane: PlaneName // that keys move
}

export async function openViewer(root: HTMLElement): Promise<void> {
  const given = JSON.parse(root.dataset["viewer"] ?? "{}") as Given
  const status = part(root, "status")
  try {
    if (!document.createElement("canvas").getContext("webgl2")) {
      throw new Said("This browser has no WebGL, which the viewer draws with. The slices below show the same volume.")
    }
    status.textContent = "Loading the viewer…"
    const loading = import("./cornerstone")
    const volume = await loadVolume(given, (done) => {
      status.textContent = `Loading the volume: ${Math.round((100 * done) / given.bytes)} %`
    })
    const { show } = await loading
    await new Viewer(root, given, volume).start(show)
    status.textContent = ""
    root.dataset["state"] = "ready"
  } catch (error) {
    root.dataset["state"] = "failed"
    status.textContent = error instanceof Said ? error.message : "The viewer could not be opened. The slices below show the same volume."
    if (!(error instanceof Said)) console.error(error)
  }
}

class Viewer {
  private shown: Shown | null = null
  private readonly state: State
  private readonly windows: Window[]
  private readonly panes: Record<PlaneName, HTMLElement>

  constructor(private readonly root: HTMLElement, private readonly given: Given, private readonly volume: Laid) {
    const linked = readLink(location.search)
    const [x, y, z] = volume.sides
    const known = given.overlays.some(({ id }) => id === linked.overlay)
    this.windows = windowsOf(given.modality, rangesOf(volume.values))
    this.state = {
      voxel: clamped(linked.voxel ?? [x >> 1, y >> 1, z >> 1], volume.sides),
      window: this.windows[0] as Window,
      overlay: known ? linked.overlay : "",
      map: null,
      opacity: linked.opacity ?? 60,
      share: 100,
      plane: "axial",
    }
    const pane = (name: PlaneName): HTMLElement => root.querySelector(`[data-pane="${name}"]`) as HTMLElement
    this.panes = { axial: pane("axial"), coronal: pane("coronal"), sagittal: pane("sagittal") }
  }

  async start(show: typeof import("./cornerstone").show): Promise<void> {
    const into = (name: PlaneName): HTMLDivElement => this.panes[name].querySelector("[data-slice]") as HTMLDivElement
    const elements = { axial: into("axial"), coronal: into("coronal"), sagittal: into("sagittal") }
    this.shown = await show(elements, this.volume, lengthsOf(this.given), (plane) => this.over(plane))
    this.fillControls()
    this.listen(this.shown)
    this.setWindow(this.state.window)
    this.setVoxel(this.state.voxel, false)
    await this.setOverlay(this.state.overlay, false)
  }

  private fillControls(): void {
    const windows = control<HTMLSelectElement>(this.root, "window")
    windows.replaceChildren(...[...this.windows.map(({ name }) => name), "Own"].map((name) => new Option(name)))
    const overlays = control<HTMLSelectElement>(this.root, "overlay")
    overlays.replaceChildren(
      new Option("No map", ""), ...this.given.overlays.map(({ id, title }) => new Option(title, id)),
    )
    overlays.value = this.state.overlay
    control<HTMLInputElement>(this.root, "opacity").value = String(this.state.opacity)
    for (const plane of PLANES) {
      control<HTMLInputElement>(this.root, plane.name).max = String(this.volume.sides[plane.across])
    }
    for (const one of this.root.querySelectorAll<HTMLInputElement>("[data-control]")) one.disabled = false
    overlays.disabled = this.given.overlays.length === 0
  }

  private listen(shown: Shown): void {
    const { root } = this
    control<HTMLSelectElement>(root, "window").addEventListener("change", (event) => {
      const name = (event.target as HTMLSelectElement).value
      this.setWindow(this.windows.find((one) => one.name === name) ?? this.state.window)
    })
    control<HTMLSelectElement>(root, "overlay").addEventListener("change", (event) => {
      void this.setOverlay((event.target as HTMLSelectElement).value)
    })
    for (const name of ["opacity", "share"] as const) {
      control<HTMLInputElement>(root, name).addEventListener("input", (event) => {
        this.state[name] = Number((event.target as HTMLInputElement).value)
        this.mapChanged()
      })
    }
    control<HTMLButtonElement>(root, "reset").addEventListener("click", () => shown.reset())
    for (const plane of PLANES) {
      control<HTMLInputElement>(root, plane.name).addEventListener("input", (event) => {
        this.setSlice(plane, Number((event.target as HTMLInputElement).value) - 1)
      })
      listenToPane(this.panes[plane.name], {
        onPoint: (point) => {
          this.state.plane = plane.name
          const at = shown.toVoxel(plane.name, point)
          const voxel: [number, number, number] = [at[0], at[1], at[2]]
          voxel[plane.across] = this.state.voxel[plane.across]
          this.setVoxel(clamped(voxel, this.volume.sides))
        },
        onWindow: (right, down) => this.setWindow(dragged(this.state.window, right, down)),
        onPan: (by) => shown.pan(plane.name, by),
        onScroll: (slices) => this.setSlice(plane, this.state.voxel[plane.across] + slices),
        onZoom: (factor) => shown.zoom(plane.name, factor),
      })
    }
    root.addEventListener("keydown", (event) => this.key(event, shown))
    new ResizeObserver(() => shown.resize()).observe(this.panes.axial)
  }

  private key(event: KeyboardEvent, shown: Shown): void {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target instanceof HTMLSelectElement) return
    if (event.target instanceof HTMLInputElement && event.key.startsWith("Arrow")) return
    const plane = PLANES.find(({ name }) => name === this.state.plane) as Plane
    const by = (slices: number): void => this.setSlice(plane, this.state.voxel[plane.across] + slices)
    const actions: Readonly<Record<string, () => void>> = {
      "1": () => this.choose("axial"),
      "2": () => this.choose("coronal"),
      "3": () => this.choose("sagittal"),
      ArrowUp: () => by(1),
      ArrowDown: () => by(-1),
      PageUp: () => by(10),
      PageDown: () => by(-10),
      "+": () => shown.zoom(plane.name, 1.2),
      "-": () => shown.zoom(plane.name, 1 / 1.2),
      "0": () => shown.reset(),
      w: () => this.setWindow(this.windows[(this.windows.indexOf(this.state.window) + 1) % this.windows.length] as Window),
      g: () => void this.setOverlay(this.state.overlay ? "" : (this.given.overlays[0]?.id ?? "")),
    }
    const action = actions[event.key]
    if (!action) return
    event.preventDefault()
    event.stopPropagation()
    action()
  }

  private choose(plane: PlaneName): void {
    this.state.plane = plane
    for (const { name } of PLANES) this.panes[name].toggleAttribute("data-active", name === plane)
  }

  private setSlice(plane: Plane, index: number): void {
    this.choose(plane.name)
    const voxel: [number, number, number] = [...this.state.voxel]
    voxel[plane.across] = index
    this.setVoxel(clamped(voxel, this.volume.sides))
  }

  private setVoxel(voxel: Triple, remember = true): void {
    this.state.voxel = voxel
    this.choose(this.state.plane)
    this.shown?.setVoxel(voxel)
    for (const plane of PLANES) {
      const [at, side] = [voxel[plane.across] + 1, this.volume.sides[plane.across]]
      control<HTMLInputElement>(this.root, plane.name).value = String(at)
      part(this.panes[plane.name], "slice-number").textContent = `${at} of ${side}`
    }
    part(this.root, "value").textContent = short(valueAt(this.volume, voxel))
    this.mapValue()
    if (remember) this.remember()
  }

  private setWindow(window: Window): void {
    this.state.window = widened(window)
    this.shown?.setWindow(this.state.window.low, this.state.window.high)
    control<HTMLSelectElement>(this.root, "window").value = this.state.window.name
    part(this.root, "window-ends").textContent = `${short(this.state.window.low)} to ${short(this.state.window.high)}`
  }

  private async setOverlay(id: string, remember = true): Promise<void> {
    const overlay = this.given.overlays.find((one) => one.id === id)
    const said = part(this.root, "map-status")
    this.state.overlay = overlay?.id ?? ""
    this.state.map = null
    control<HTMLSelectElement>(this.root, "overlay").value = this.state.overlay
    said.textContent = overlay ? "Loading the map…" : ""
    if (overlay) {
      try {
        const map = await loadMap(overlay, this.given.axes)
        if (this.state.overlay !== overlay.id) return // another one was chosen meanwhile
        this.state.map = map
        said.textContent = map.largest === 0 ? "The map is 0 everywhere." : `Explains the score ${short(map.score)}; its layer is ${overlay.layer || "not named"}, ${map.map.sides.join(" × ")} places.`
      } catch (error) {
        said.textContent = error instanceof Said ? error.message : "The map could not be shown."
        if (!(error instanceof Said)) console.error(error)
      }
    }
    this.mapChanged(remember)
  }

  private mapChanged(remember = true): void {
    const { map, share, opacity } = this.state
    const legend = part(this.root, "legend")
    legend.hidden = map === null
    const end = ((map?.largest ?? 0) * share) / 100
    part(this.root, "low").textContent = `${short(-end)} and below`
    part(this.root, "high").textContent = `${short(end)} and above`
    part(this.root, "opacity-text").textContent = `${opacity} %`
    part(this.root, "share-text").textContent = `${share} %`
    for (const { name } of PLANES) this.over(name)
    this.mapValue()
    if (remember) this.remember()
  }

  private mapValue(): void {
    const { map, voxel } = this.state
    let text = ""
    if (map) {
      const at = voxel.map((place, axis) => {
        const [side, other] = [this.volume.sides[axis] as number, map.map.sides[axis] as number]
        return ((place + 0.5) * other) / side - 0.5
      }) as [number, number, number]
      text = `, map ${short(valueAt(map.map, clamped(at, map.map.sides)))}`
    }
    part(this.root, "map-value").textContent = text
  }

  private over(name: PlaneName): void {
    if (!this.shown) return
    const plane = PLANES.find((one) => one.name === name) as Plane
    const canvas = this.panes[name].querySelector("canvas[data-over]") as HTMLCanvasElement
    const { voxel, map, share, opacity } = this.state
    drawOver(canvas, this.shown, plane, this.volume.sides, {
      voxel, map: map?.map ?? null, scale: ((map?.largest ?? 0) * share) / 100, opacity: opacity / 100,
    })
  }

  private remember(): void {
    const { voxel, overlay, opacity } = this.state
    history.replaceState(null, "", writeLink(location.search, voxel, overlay, opacity))
  }
}

function part(root: ParentNode, name: string): HTMLElement {
  return root.querySelector(`[data-part="${name}"]`) as HTMLElement
}

function control<Kind extends HTMLElement>(root: ParentNode, name: string): Kind {
  return root.querySelector(`[data-control="${name}"]`) as Kind
}

/** Four digits, with the sign that the portal prints. */
export function short(value: number): string {
  const text = Math.abs(value) >= 1000 ? value.toFixed(0) : String(Number(value.toPrecision(4)))
  return text.replace("-", "−")
}

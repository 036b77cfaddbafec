/** The chart library. All of Plotly that the portal touches is here. */

import type { Config, Layout, PlotlyHTMLElement, PlotSelectionEvent, Data } from "plotly.js"
import Plotly from "plotly.js-cartesian-dist-min"

const CONFIG: Partial<Config> = {
  displaylogo: false,
  responsive: true,
  scrollZoom: true,
  // named one by one: the library's own choice includes buttons that send data elsewhere
  modeBarButtons: [
    ["lasso2d", "select2d", "zoom2d", "pan2d"],
    ["zoomIn2d", "zoomOut2d", "resetScale2d"],
  ],
}

export async function draw(
  element: HTMLElement,
  data: Data[],
  layout: Partial<Layout>,
  onSelect: (caseIds: string[]) => void,
): Promise<void> {
  const plot = element as PlotlyHTMLElement
  await Plotly.react(plot, data, layout, CONFIG)
  plot.removeAllListeners("plotly_selected")
  plot.removeAllListeners("plotly_deselect")
  plot.removeAllListeners("plotly_click")
  plot.on("plotly_selected", (event: PlotSelectionEvent | undefined) => onSelect(ids(event)))
  plot.on("plotly_deselect", () => onSelect([]))
  plot.on("plotly_click", (event) => onSelect(ids(event)))
}

function ids(event: { points?: readonly { customdata?: unknown }[] } | undefined): string[] {
  return (event?.points ?? []).map((point) => String(point.customdata))
}

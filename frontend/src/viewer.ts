/** The page of a volume: three slices of it, with the maps of audits. Loaded on that page alone. */

import "./viewer/viewer.css"
import { openViewer } from "./viewer/view"

for (const element of document.querySelectorAll<HTMLElement>("[data-viewer]")) {
  void openViewer(element)
}

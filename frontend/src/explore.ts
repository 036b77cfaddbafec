/** Explore pages: one interactive view of the cases, loaded only where it is shown. */

import { openExplore } from "./explore/view"

for (const element of document.querySelectorAll<HTMLElement>("[data-explore-url]")) {
  void openExplore(element)
}

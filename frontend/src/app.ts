/** Every page: what makes it livelier than plain HTML. Nothing here is needed to use the portal. */

import "./app.css"
import { listenForConfirm } from "./confirm"
import { listenForCopy, offerCopy } from "./copy"
import { enhanceDropzones } from "./dropzone"
import { listenForFilter } from "./filter"
import { listenForKeys } from "./keys"
import { keepFresh } from "./live"
import { listenForPrint } from "./print"
import { showScroll } from "./scroll"
import { listenForTheme } from "./theme"
import { enhanceUploads } from "./upload"

listenForConfirm()
listenForCopy()
listenForFilter()
listenForKeys()
listenForPrint()
listenForTheme()

let stop = enhance()
document.addEventListener("page:replaced", () => {
  stop()
  stop = enhance()
})

function enhance(): () => void {
  offerCopy()
  enhanceDropzones()
  enhanceUploads()
  const unwatch = showScroll()
  const stopFresh = keepFresh(document, offerCopy)
  return () => {
    unwatch()
    stopFresh()
  }
}

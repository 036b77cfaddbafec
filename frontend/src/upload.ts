/**
 * Sends a form with files and says how far it is: `<form data-upload enctype="multipart/form-data">`.
 * Without script it is sent by the browser as usual. The answer is followed when the server
 * redirects; a page with errors replaces this one.
 */

import { sizeText } from "./size"

export function enhanceUploads(root: ParentNode = document): void {
  for (const form of root.querySelectorAll<HTMLFormElement>("form[data-upload]")) {
    form.addEventListener("submit", (event) => {
      if (event.defaultPrevented) return
      event.preventDefault()
      send(form, (event as SubmitEvent).submitter as HTMLButtonElement | null)
    })
  }
}

function send(form: HTMLFormElement, submitter: HTMLButtonElement | null): void {
  const body = new FormData(form, submitter ?? undefined)
  const request = new XMLHttpRequest()
  const progress = new Progress(form, () => request.abort())
  const settle = (message?: string) => {
    if (submitter) submitter.disabled = false
    progress.end(message)
  }
  request.open("POST", form.action)
  request.setRequestHeader("X-Requested-With", "fetch")
  request.upload.addEventListener("progress", (event) => progress.show(event.loaded, event.total))
  request.addEventListener("load", () => {
    if (request.status >= 400 && !isPage(request)) {
      settle(`The server answered with ${request.status}. Nothing was kept; try again.`)
    } else if (
      request.responseURL &&
      request.status < 400 &&
      samePath(request.responseURL) === false
    ) {
      location.assign(request.responseURL)
    } else {
      showPage(request.responseText)
    }
  })
  request.addEventListener("error", () =>
    settle("The connection broke. Nothing was kept; send the files again."),
  )
  request.addEventListener("abort", () => settle("Stopped. Nothing was kept."))
  if (submitter) submitter.disabled = true
  request.send(body)
}

function isPage(request: XMLHttpRequest): boolean {
  return (request.getResponseHeader("Content-Type") ?? "").startsWith("text/html")
}

function samePath(url: string): boolean {
  return new URL(url, location.href).pathname === location.pathname
}

/** The answer is a whole page, usually this form with its errors. */
function showPage(html: string): void {
  const page = new DOMParser().parseFromString(html, "text/html")
  document.title = page.title
  document.body.replaceWith(page.body)
  document.dispatchEvent(new CustomEvent("page:replaced"))
  window.scrollTo(0, 0)
}

class Progress {
  private readonly box = document.createElement("div")
  private readonly bar = document.createElement("progress")
  private readonly words = document.createElement("span")

  constructor(form: HTMLFormElement, stop: () => void) {
    form.querySelector(".upload-progress")?.remove()
    this.box.className = "upload-progress"
    this.words.setAttribute("role", "status")
    const cancel = document.createElement("button")
    cancel.type = "button"
    cancel.className = "lnk"
    cancel.textContent = "Cancel"
    cancel.addEventListener("click", stop)
    this.box.append(this.bar, this.words, cancel)
    form.append(this.box)
    this.bar.max = 100
    this.bar.setAttribute("aria-label", "Upload")
  }

  show(sent: number, total: number): void {
    if (total <= 0) return
    this.bar.value = (100 * sent) / total
    this.words.textContent =
      sent < total ? `${sizeText(sent)} of ${sizeText(total)}` : "Arrived. Being checked…"
  }

  end(message?: string): void {
    if (!message) return this.box.remove()
    this.bar.remove()
    this.box.querySelector("button")?.remove()
    this.words.textContent = message
  }
}

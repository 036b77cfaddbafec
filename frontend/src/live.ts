/**
 * Keeps parts of a page fresh. An element with `data-live-url` is replaced, every
 * `data-live-seconds`, by the HTML the server sends for it. The server ends this by
 * sending the element without the attribute, so the page holds no state of its own.
 * `data-live-done="reload"` on the last one asks for the whole page once more.
 */

const SELECTOR = "[data-live-url]"
const SLOWEST_SECONDS = 60

export type Stop = () => void

export function keepFresh(
  root: ParentNode = document,
  onChange: (fresh: HTMLElement) => void = () => undefined,
): Stop {
  const aborter = new AbortController()
  for (const element of root.querySelectorAll<HTMLElement>(SELECTOR)) {
    void refreshUntilDone(element, aborter.signal, onChange)
  }
  return () => aborter.abort()
}

async function refreshUntilDone(
  element: HTMLElement,
  signal: AbortSignal,
  onChange: (fresh: HTMLElement) => void,
): Promise<void> {
  let current = element
  let failures = 0
  while (current.isConnected && current.dataset.liveUrl && !signal.aborted) {
    await sleep(secondsToWait(current, failures), signal)
    if (document.hidden || signal.aborted) continue // nobody is looking
    const fresh = await fetchElement(current.dataset.liveUrl, signal)
    if (fresh === "offline") {
      failures += 1
      continue
    }
    if (fresh?.id !== current.id) return // another page, such as the login form
    keepOpen(current, fresh)
    current.replaceWith(fresh)
    current = fresh
    failures = 0
    onChange(fresh)
    if (fresh.dataset.liveDone === "reload") location.reload()
  }
}

/** Twice as long after each failure, so that a server in trouble is left alone. */
export function secondsToWait(element: HTMLElement, failures: number): number {
  const asked = Number(element.dataset.liveSeconds ?? 2)
  return Math.min(asked * 2 ** failures, SLOWEST_SECONDS)
}

/** What a person unfolded stays unfolded. */
function keepOpen(old: HTMLElement, fresh: HTMLElement): void {
  for (const details of old.querySelectorAll<HTMLDetailsElement>("details[id]")) {
    const twin = fresh.querySelector<HTMLDetailsElement>(`details#${CSS.escape(details.id)}`)
    if (twin) twin.open = details.open
  }
}

async function fetchElement(
  url: string,
  signal: AbortSignal,
): Promise<HTMLElement | undefined | "offline"> {
  try {
    const response = await fetch(url, { signal, headers: { "X-Requested-With": "fetch" } })
    if (!response.ok) return response.status >= 500 ? "offline" : undefined
    const template = document.createElement("template")
    template.innerHTML = await response.text()
    return (template.content.firstElementChild as HTMLElement | null) ?? undefined
  } catch {
    return "offline"
  }
}

function sleep(seconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, seconds * 1000)
    signal.addEventListener("abort", () => (clearTimeout(timer), resolve()), { once: true })
  })
}

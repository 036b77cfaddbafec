/** Copy buttons: `<button data-copy="text" hidden>`; shown only where copying works. */

const SHOWN_MS = 1600

export function offerCopy(root: ParentNode = document): void {
  if (!navigator.clipboard) return
  for (const button of root.querySelectorAll<HTMLButtonElement>("button[data-copy]")) {
    button.hidden = false
  }
}

/** One listener for the page, so that buttons in refreshed parts work too. */
export function listenForCopy(root: Document = document): void {
  root.addEventListener("click", (event) => {
    const button = (event.target as Element | null)?.closest<HTMLButtonElement>("button[data-copy]")
    if (button) void copy(button)
  })
}

async function copy(button: HTMLButtonElement): Promise<void> {
  const before = button.title
  try {
    await navigator.clipboard.writeText(button.dataset.copy ?? "")
    button.title = "Copied"
    button.classList.add("done")
  } catch {
    button.title = "The browser did not allow it"
  }
  setTimeout(() => {
    button.title = before
    button.classList.remove("done")
  }, SHOWN_MS)
}

// @ts-check
/**
 * Asks the server again what the choices of a form would answer, whenever one changes:
 * `<form data-preview-url="…" data-preview="id">`. Without script its button does the same.
 */

for (const form of document.querySelectorAll("form[data-preview-url]")) {
  if (form instanceof HTMLFormElement) watch(form)
}

/** @param {HTMLFormElement} form */
function watch(form) {
  /** @type {AbortController | undefined} */
  let asked
  form.querySelector("[data-preview-button]")?.setAttribute("hidden", "")
  // Going back brings the choices back, but not what they answered.
  window.addEventListener("pageshow", () => {
    if (changed(form)) form.dispatchEvent(new Event("change"))
  })
  form.addEventListener("change", () => {
    const preview = document.getElementById(form.dataset.preview ?? "")
    if (!preview) return
    asked?.abort()
    asked = new AbortController()
    preview.setAttribute("aria-busy", "true")
    // What stands there answers other choices: it must not be started any more.
    for (const button of preview.querySelectorAll("button")) button.disabled = true
    void refresh(form, preview, asked.signal)
  })
}

/**
 * Whether somebody chose otherwise than the page was served with.
 * @param {HTMLFormElement} form
 */
function changed(form) {
  return [...form.elements].some((control) => {
    if (control instanceof HTMLInputElement) return control.checked !== control.defaultChecked
    if (!(control instanceof HTMLSelectElement)) return false
    const served = [...control.options].findIndex((option) => option.defaultSelected)
    return control.selectedIndex !== Math.max(0, served) // the first, where none was
  })
}

/**
 * @param {HTMLFormElement} form
 * @param {HTMLElement} preview
 * @param {AbortSignal} signal
 */
async function refresh(form, preview, signal) {
  const chosen = new URLSearchParams()
  for (const [name, value] of new FormData(form)) {
    if (typeof value === "string") chosen.set(name, value)
  }
  try {
    const response = await fetch(`${form.dataset.previewUrl}?${chosen}`, { signal })
    if (!response.ok) throw new Error(String(response.status))
    const template = document.createElement("template")
    template.innerHTML = await response.text()
    const fresh = template.content.querySelector(`#${CSS.escape(preview.id)}`)
    if (!fresh) throw new Error("another page, such as the sign-in form")
    preview.replaceWith(fresh)
  } catch {
    if (signal.aborted) return // another choice came in between
    preview.setAttribute("aria-busy", "false")
    form.querySelector("[data-preview-button]")?.removeAttribute("hidden")
  }
}

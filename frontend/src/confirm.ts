/**
 * Asks before a form does what cannot be undone: `<form data-confirm="What will happen."
 * data-confirm-yes="Withdraw">`. Without script the form simply works.
 */

export function listenForConfirm(root: Document = document): void {
  root.addEventListener(
    "submit",
    (event) => {
      const form = event.target as HTMLFormElement
      const question = form.dataset?.confirm
      if (!question || form.dataset.confirmed) return
      event.preventDefault()
      event.stopImmediatePropagation()
      const submitter = (event as SubmitEvent).submitter
      ask(question, form.dataset.confirmYes ?? submitter?.textContent?.trim() ?? "Go on", () => {
        form.dataset.confirmed = "yes"
        if (submitter) form.requestSubmit(submitter)
        else form.requestSubmit()
        delete form.dataset.confirmed
      })
    },
    true,
  ) // before any other listener of the form
}

function ask(question: string, yes: string, act: () => void): void {
  const dialog = document.createElement("dialog")
  dialog.setAttribute("aria-label", yes)
  const text = document.createElement("p")
  text.textContent = question
  const actions = document.createElement("div")
  actions.className = "acts"
  const keep = button("Cancel", "btn")
  const go = button(yes, "btn p danger")
  actions.append(keep, go)
  dialog.append(text, actions)
  document.body.append(dialog)
  dialog.addEventListener("close", () => dialog.remove())
  keep.addEventListener("click", () => dialog.close())
  go.addEventListener("click", () => {
    dialog.close()
    act()
  })
  dialog.showModal()
  keep.focus()
}

function button(text: string, className: string): HTMLButtonElement {
  const made = document.createElement("button")
  made.type = "button"
  made.className = className
  made.textContent = text
  return made
}

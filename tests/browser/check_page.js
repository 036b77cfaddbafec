// What is wrong with the page that is shown, as sentences; read by test_pages.py.
() => {
  const wrong = []
  const name = (it) => `<${it.localName} ${it.id ? `id="${it.id}"` : `class="${it.className}"`}>`
  const all = (selector) => [...document.querySelectorAll(selector)]
  const says = (it) =>
    (it.getAttribute("aria-label") ?? "") +
    (it.getAttribute("aria-labelledby") ?? "") +
    it.textContent.trim() +
    [...it.querySelectorAll("img[alt]")].map((image) => image.alt).join("")

  if (!document.documentElement.lang) wrong.push("no language")
  if (!document.title.trim()) wrong.push("no title")
  const heads = all("h1")
  if (heads.length !== 1 || !heads[0].textContent.trim()) wrong.push(`${heads.length} h1`)
  if (all("main").length !== 1) wrong.push(`${all("main").length} main`)

  const room = document.documentElement.clientWidth
  if (document.documentElement.scrollWidth > room) {
    const wide = all("body *").filter((it) => it.getBoundingClientRect().right > room + 1)
    wrong.push(`wider than ${room}: ${wide.slice(0, 5).map(name).join(" ")}`)
  }

  for (const field of all("input:not([type=hidden]), select, textarea")) {
    const labelled = field.labels?.length || field.getAttribute("aria-label")
    if (!labelled && !field.getAttribute("aria-labelledby")) wrong.push(`no label: ${name(field)}`)
  }
  for (const it of all("a[href], button, summary")) if (!says(it)) wrong.push(`no words: ${name(it)}`)
  for (const image of all("img:not([alt])")) wrong.push(`no alt: ${image.src}`)
  for (const drawing of all("[role=img]:not([aria-label]):not([aria-labelledby])")) {
    if (!drawing.querySelector("title")) wrong.push(`no words for a drawing: ${name(drawing)}`)
  }

  const ids = all("[id]").map((it) => it.id)
  const twice = ids.filter((id, index) => ids.indexOf(id) !== index)
  if (twice.length) wrong.push(`ids twice: ${[...new Set(twice)].join(" ")}`)
  for (const link of ["aria-labelledby", "aria-describedby", "for"]) {
    for (const it of all(`[${link}]`)) {
      const gone = it.getAttribute(link).split(" ").filter((id) => !ids.includes(id))
      if (gone.length) wrong.push(`${link} points nowhere: ${gone.join(" ")}`)
    }
  }
  for (const link of all("a[href^='#']")) {
    const goal = decodeURIComponent(link.getAttribute("href").slice(1))
    if (goal && !ids.includes(goal)) wrong.push(`link to nowhere: #${goal}`)
  }
  let level = 1
  for (const head of all("h1, h2, h3, h4")) {
    if (Number(head.localName[1]) > level + 1) wrong.push(`skips to ${head.localName}: ${head.textContent.trim()}`)
    level = Number(head.localName[1])
  }
  return wrong
}

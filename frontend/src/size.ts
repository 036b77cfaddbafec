/** How the size of a file is written; the same rule as portal/ui/numbers.py. */

export function sizeText(bytes: number): string {
  for (const [unit, each] of [
    ["GB", 1e9],
    ["MB", 1e6],
    ["kB", 1e3],
  ] as const) {
    if (bytes >= each) return `${(bytes / each).toFixed(1)} ${unit}`
  }
  return `${bytes} bytes`
}

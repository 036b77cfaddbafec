/** Builds the portal's scripts and styles into dist/, with the manifest the templates read. */

import { defineConfig } from "vitest/config"

export default defineConfig({
  base: "/static/app/",
  resolve: { alias: { xmlbuilder2: new URL("src/viewer/no-xml.ts", import.meta.url).pathname } },
  build: {
    manifest: true,
    target: "es2022",
    assetsInlineLimit: 0, // fonts and images stay files: the page allows no data: fonts
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 4200, // plotly and Cornerstone3D, each loaded by the pages that show it
    rollupOptions: {
      input: { app: "src/app.ts", explore: "src/explore.ts", viewer: "src/viewer.ts", report: "src/report.css" },
    },
  },
  test: { environment: "jsdom", include: ["src/**/*.test.ts"] },
})

/** Builds the portal's scripts and styles into dist/, with the manifest the templates read. */

import { defineConfig } from "vitest/config"

export default defineConfig({
  base: "/static/app/",
  build: {
    manifest: true,
    target: "es2022",
    assetsInlineLimit: 0, // fonts and images stay files: the page allows no data: fonts
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 1600, // plotly, which only explore pages load
    rollupOptions: {
      input: { app: "src/app.ts", explore: "src/explore.ts", report: "src/report.css" },
    },
  },
  test: { environment: "jsdom", include: ["src/**/*.test.ts"] },
})

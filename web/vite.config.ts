import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

// `dist` itself stays, so that cargo can watch it; `app` is emptied with each build.
export default defineConfig({
  plugins: [react()],
  build: {
    outDir: "dist/app",
    emptyOutDir: true,
    target: "es2022",
    modulePreload: { polyfill: false },
    // An inlined picture would be a `data:` address, which the page's policy forbids.
    assetsInlineLimit: 0,
    chunkSizeWarningLimit: 700,
  },
});

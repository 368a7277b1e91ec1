import { mkdirSync, writeFileSync } from "node:fs";

import react from "@vitejs/plugin-react";
import { type Plugin, defineConfig } from "vite";

// The RDP client holds its WebAssembly as an address of 6 MB, which the page's policy forbids to
// read. As a file it is a quarter smaller, compresses, and is compiled while it arrives.
const lifted: Plugin = {
  name: "lift-wasm",
  enforce: "pre",
  transform(code, id) {
    if (!id.includes("iron-remote-desktop-rdp.js")) return undefined;
    const [whole, bytes] = /"data:application\/wasm;base64,([A-Za-z0-9+/=]+)"/.exec(code) ?? [];
    if (!whole || !bytes) throw new Error("the RDP client holds no WebAssembly any more");
    const folder = new URL("./node_modules/.doorward/", import.meta.url).pathname;
    mkdirSync(folder, { recursive: true });
    writeFileSync(`${folder}desktop.wasm`, Buffer.from(bytes, "base64"));
    const named = `import lifted from ${JSON.stringify(`${folder}desktop.wasm?url`)};\n`;
    return { code: named + code.replace(whole, () => "lifted"), map: null };
  },
};

// `dist` itself stays, so that cargo can watch it; `app` is emptied with each build.
export default defineConfig({
  plugins: [lifted, react()],
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

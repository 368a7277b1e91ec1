// Compresses what was built, once, so that the gateway sends it as it is. Says what the first page
// weighs, and fails where that is more than it may.
import { readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { brotliCompressSync, constants } from "node:zlib";

const MOST = 250 * 1024;
const dist = new URL("../dist/app/", import.meta.url).pathname;
const sizes = new Map();

for (const entry of readdirSync(dist, { recursive: true })) {
  if (!/\.(js|css|svg|wasm)$/.test(entry)) continue;
  const bytes = readFileSync(join(dist, entry));
  // Of megabytes the last percent takes half a minute.
  const quality = bytes.length > 2_000_000 ? 9 : 11;
  const small = brotliCompressSync(bytes, {
    params: { [constants.BROTLI_PARAM_QUALITY]: quality, [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length },
  });
  sizes.set(entry, small.length);
  if (small.length < bytes.length) writeFileSync(join(dist, `${entry}.br`), small);
}

// What the page names, and what that imports at once, is loaded before anything is shown.
const first = new Set();
const load = (name) => {
  if (first.has(name)) return;
  first.add(name);
  const text = readFileSync(join(dist, name), "utf8");
  for (const [, other] of text.matchAll(/(?:from|import)\s*"\.\/([^"]+\.js)"/g)) load(`assets/${other}`);
};
const index = readFileSync(join(dist, "index.html"), "utf8");
for (const [, name] of index.matchAll(/(?:src|href)="\/(assets\/[^"]+\.js)"/g)) load(name);

const total = [...first].reduce((sum, name) => sum + sizes.get(name), 0);
console.log(`first page: ${(total / 1024).toFixed(1)} KB of script, compressed (${first.size} files)`);
if (total > MOST) {
  console.error(`that is more than the ${MOST / 1024} KB that it may be`);
  process.exit(1);
}

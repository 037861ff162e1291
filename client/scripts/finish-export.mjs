// Completes the export (client/out): puts the pages' own scripts in, takes out Next's, which no page names, makes the
// service worker, which knows the export's files by their hashed names, and says what a browser fetches. Fails when a page names a script that is not there, or would not be taken over as it was drawn.
import { createHash } from "node:crypto";
import { cp, readdir, readFile, rm } from "node:fs/promises";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { brotliCompressSync, gzipSync } from "node:zlib";
import { build } from "esbuild";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const out = join(root, "out");
const built = join(root, ".scripts");
const statics = join(out, "_next", "static");

for (const file of await readdir(built)) {
  if (file.endsWith(".js")) await cp(join(built, file), join(statics, "scripts", file));
}
for (const file of await files(statics)) {
  if (file.endsWith(".js") && dirname(file) !== join(statics, "scripts")) await rm(file);
}

for (const page of (await files(out)).filter((file) => file.endsWith(".html"))) {
  const html = await readFile(page, "utf8");
  const name = relative(out, page);
  const scripts = [...html.matchAll(/<(?:script[^>]* src|link rel="modulepreload"[^>]* href)="([^"]+)"/g)].map((m) => m[1] ?? "");
  let [plain, gzip, brotli] = [0, 0, 0];
  for (const src of new Set(scripts)) {
    const bytes = await readFile(join(out, src)).catch(() => {
      throw new Error(`${name} names ${src}, which is not in the export.`);
    });
    plain += bytes.length;
    gzip += gzipSync(bytes, { level: 9 }).length;
    brotli += brotliCompressSync(bytes).length;
  }
  // Ids that React makes depend on what is around the page, which is another thing at the build than in a browser.
  if (/"_R_\w*_"/.test(html)) throw new Error(`${name} holds an id of useId: draw what needs one after the page has started.`);
  console.log(`${name}: ${kB(plain)} of script, ${kB(gzip)} gzip, ${kB(brotli)} brotli`);
}

const offline = "/offline/";
const shell = await readFile(join(out, offline, "index.html"), "utf8");
const needed = [...new Set([...shell.matchAll(/"(\/_next\/static\/[^"]+)"/g)].map((m) => m[1] ?? ""))].sort();
const version = createHash("sha256").update(shell).digest("hex").slice(0, 12);
await build({
  absWorkingDir: root,
  entryPoints: ["src/offline/sw.ts"],
  outfile: join(out, "sw.js"),
  bundle: true,
  minify: true,
  target: ["chrome111", "firefox111", "safari16.4"],
  legalComments: "none",
  define: { OFFLINE: JSON.stringify({ page: offline, files: needed, version }) },
});

/** @param {string} folder @returns {Promise<string[]>} */
async function files(folder) {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries.filter((x) => x.isFile()).map((x) => join(x.parentPath, x.name)).sort();
}

/** @param {number} bytes */
function kB(bytes) {
  return `${(bytes / 1000).toFixed(1)} kB`;
}

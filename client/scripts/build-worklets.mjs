// Bundles src/voice/*.worklet.ts into public/worklets/<name>.<hash>.js and writes their addresses to
// src/voice/worklets.gen.ts.
//
// A worklet is loaded by address, outside the page's module graph, and Next's bundler has no entry point for
// that. The hash in the name lets caches keep a file for ever and still never serve an old one.
import { createHash } from "node:crypto";
import { mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const outdir = join(root, "public", "worklets");
const names = ["capture", "playback"];

const result = await build({
  absWorkingDir: root,
  entryPoints: Object.fromEntries(names.map((name) => [name, `src/voice/${name}.worklet.ts`])),
  bundle: true,
  format: "esm",
  target: "es2022",
  minify: true,
  legalComments: "none",
  outdir,
  write: false,
});

await mkdir(outdir, { recursive: true });
/** @type {Record<string, string>} */
const urls = {};
const wanted = new Set();
for (const file of result.outputFiles) {
  const name = basename(file.path, ".js");
  const hash = createHash("sha256").update(file.contents).digest("hex").slice(0, 12);
  const fileName = `${name}.${hash}.js`;
  urls[name] = `/worklets/${fileName}`;
  wanted.add(fileName);
  await writeFile(join(outdir, fileName), file.contents);
}
for (const old of await readdir(outdir)) {
  if (!wanted.has(old)) await rm(join(outdir, old));
}

const source = `// Written by scripts/build-worklets.mjs; do not edit.
export const captureWorkletUrl = ${JSON.stringify(urls["capture"])};
export const playbackWorkletUrl = ${JSON.stringify(urls["playback"])};
`;
const generated = join(root, "src", "voice", "worklets.gen.ts");
// Unchanged content keeps its time stamp, so that a running dev server does not rebuild for nothing.
if ((await readFile(generated, "utf8").catch(() => "")) !== source) await writeFile(generated, source);

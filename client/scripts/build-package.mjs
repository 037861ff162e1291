// Builds packages/voice (@stonepot/voice) from src/voice: one ES module for each source, so that bundlers carry only what
// is used, the types, and the two worklets, each whole in one file. Says how large it is.
//
// A worklet is loaded by address. The modules name theirs with `new URL("…", import.meta.url)`, which a browser
// understands as it is and bundlers follow; `inline.js` holds their text for those that do not.
import { execFileSync } from "node:child_process";
import { copyFile, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { brotliCompressSync, gzipSync } from "node:zlib";
import { build } from "esbuild";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const target = join(root, "packages", "voice");
const dist = join(target, "dist");
const worklets = ["capture", "playback"];
/** @satisfies {import("esbuild").BuildOptions} */
const common = { absWorkingDir: root, format: "esm", target: "es2022", legalComments: "none" };

await rm(dist, { recursive: true, force: true });
await copyFile(join(dirname(root), "LICENSE"), join(target, "LICENSE"));

// What index.ts reaches at run time; the rest of src/voice (tests, their worlds) stays out.
const index = "src/voice/index.ts";
const whole = await build({ ...common, entryPoints: [index], bundle: true, minify: true, write: false, metafile: true });
const modules = Object.keys(whole.metafile.inputs).filter((x) => !x.endsWith(".gen.ts"));

await build({
  ...common,
  entryPoints: modules,
  outbase: "src/voice",
  outdir: dist,
  bundle: true,
  plugins: [
    {
      name: "keep modules apart",
      setup({ onResolve }) {
        onResolve({ filter: /^\.\// }, ({ kind, path }) => (kind === "entry-point" ? undefined : { path: `${path}.js`, external: true }));
      },
    },
  ],
});
const scripts = await build({
  ...common,
  entryPoints: worklets.map((name) => `src/voice/${name}.worklet.ts`),
  outdir: dist,
  bundle: true,
  minify: true,
  write: false,
});
for (const file of scripts.outputFiles) await writeFile(file.path, file.contents);

const names = worklets.map((name) => [name, `${name}WorkletUrl`, `${name}.worklet.js`]);
const text = (/** @type {string | undefined} */ file) => scripts.outputFiles.find((x) => basename(x.path) === file)?.text;
await writeFile(
  join(dist, "worklets.gen.js"),
  names.map(([, constant, file]) => `export const ${constant} = new URL("./${file}", import.meta.url).href;\n`).join(""),
);
await writeFile(
  join(dist, "inline.js"),
  `${names.map(([name, , file]) => `const ${name} = ${JSON.stringify(text(file))};\n`).join("")}
const address = (script) => URL.createObjectURL(new Blob([script], { type: "text/javascript" }));
export function inlineWorklets() {
  return { ${names.map(([name]) => `${name}: address(${name})`).join(", ")} };
}
`,
);
await writeFile(
  join(dist, "inline.d.ts"),
  `import type { WorkletUrls } from "./worklet-urls.js";
/** The worklets from the bundle itself, for \`setWorkletUrls\`; a page's policy must allow \`script-src blob:\` then. */
export declare function inlineWorklets(): WorkletUrls;
`,
);

const tsc = createRequire(import.meta.url).resolve("typescript/bin/tsc");
execFileSync(process.execPath, [tsc, "-p", "tsconfig.package.json"], { cwd: root, stdio: "inherit" });
// The compiler saw the page's addresses of the worklets.
await writeFile(join(dist, "worklets.gen.d.ts"), names.map(([, constant]) => `export declare const ${constant}: string;\n`).join(""));
for (const file of await readdir(dist)) {
  if (!file.endsWith(".d.ts")) continue;
  // Node's resolution of ES modules wants the extension.
  const types = await readFile(join(dist, file), "utf8");
  await writeFile(join(dist, file), types.replaceAll(/(from |import\()"(\.\/[\w.-]+?)(?:\.js)?"/g, '$1"$2.js"'));
}

const bundle = whole.outputFiles[0]?.contents ?? new Uint8Array();
report("everything, bundled and minified", bundle);
for (const file of scripts.outputFiles) report(basename(file.path), file.contents);

/** @param {string} what @param {Uint8Array} bytes */
function report(what, bytes) {
  const kB = (/** @type {number} */ n) => `${(n / 1000).toFixed(1)} kB`;
  console.log(`@stonepot/voice: ${what}: ${kB(bytes.length)}, ${kB(gzipSync(bytes, { level: 9 }).length)} gzip, ${kB(brotliCompressSync(bytes).length)} brotli`);
}

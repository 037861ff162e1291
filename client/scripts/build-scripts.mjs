// Bundles src/entry/*.tsx, the pages' own scripts, into .scripts/ and writes their names to src/entry/scripts.gen.ts.
//
// Next draws the pages into HTML and is not needed after that: nothing here changes pages without loading one. Its
// client runtime alone is 66 kB, gzip; what brings a page to life is React and the page. `finish-export.mjs` puts the
// bundles into the export. Next's dev server does without them.
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const outdir = join(root, ".scripts");
const entries = { talk: "talk.tsx", ops: "ops.tsx", offline: "offline.ts" };
/** Everything below /_next/static is kept by caches for ever; these names carry hashes too. */
const path = "/_next/static/scripts/";

const result = await build({
  absWorkingDir: root,
  entryPoints: Object.fromEntries(Object.entries(entries).map(([name, file]) => [name, `src/entry/${file}`])),
  entryNames: "[name]-[hash]",
  chunkNames: "[name]-[hash]",
  bundle: true,
  splitting: true,
  format: "esm",
  target: ["chrome111", "firefox111", "safari16.4"],
  jsx: "automatic",
  minify: true,
  legalComments: "none",
  alias: { "@": "./src" },
  define: {
    "process.env.NODE_ENV": '"production"',
    "process.env.NEXT_PUBLIC_STONEPOT_URL": JSON.stringify(process.env.NEXT_PUBLIC_STONEPOT_URL ?? ""),
  },
  outdir,
  metafile: true,
  write: false,
});

await rm(outdir, { recursive: true, force: true });
await mkdir(outdir);
for (const file of result.outputFiles) await writeFile(join(outdir, basename(file.path)), file.contents);
await writeFile(join(outdir, "meta.json"), JSON.stringify(result.metafile));

const { outputs } = result.metafile;
/** What a bundle cannot begin without. @param {string} output @returns {string[]} */
function needs(output) {
  const direct = (outputs[output]?.imports ?? []).filter((x) => x.kind === "import-statement").map((x) => x.path);
  return [...new Set(direct.flatMap((x) => [x, ...needs(x)]))];
}
const scripts = Object.fromEntries(
  Object.entries(entries).map(([name, file]) => {
    const output = Object.keys(outputs).find((x) => outputs[x]?.entryPoint === `src/entry/${file}`) ?? "";
    return [name, { src: path + basename(output), needs: needs(output).map((x) => path + basename(x)).sort() }];
  }),
);
const source = `// Written by scripts/build-scripts.mjs; do not edit.
export const scripts = ${JSON.stringify(scripts, null, 2)};
`;
const generated = join(root, "src", "entry", "scripts.gen.ts");
// Unchanged content keeps its time stamp, so that a running dev server does not rebuild for nothing.
if ((await readFile(generated, "utf8").catch(() => "")) !== source) await writeFile(generated, source);

// What would be published, as somebody gets it who installs it: packed, unpacked, bundled and type-checked. Needs the
// built package (npm run package).
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, before, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";
import ts from "typescript";

const here = dirname(fileURLToPath(import.meta.url));
/** @type {string} */
let home;
/** @type {{ files: { path: string }[], filename: string, size: number, unpackedSize: number }} */
let packed;

before(async () => {
  home = await mkdtemp(join(tmpdir(), "stonepot-package-"));
  [packed] = JSON.parse(execFileSync("npm", ["pack", "--json", "--pack-destination", home], { cwd: here, encoding: "utf8" }));
  const scope = join(home, "node_modules", "@stonepot");
  await mkdir(scope, { recursive: true });
  execFileSync("tar", ["-xzf", join(home, packed.filename), "-C", home]);
  await symlink(join(home, "package"), join(scope, "voice"));
});
after(() => rm(home, { recursive: true, force: true }));

/**
 * Bundles a program that uses the package.
 * @param {string} source
 */
async function bundled(source) {
  const result = await build({
    stdin: { contents: source, resolveDir: home },
    bundle: true,
    minify: true,
    format: "esm",
    write: false,
    logLevel: "silent",
  });
  const contents = result.outputFiles[0]?.contents ?? new Uint8Array();
  return { text: Buffer.from(contents).toString(), gzip: gzipSync(contents).length };
}

describe("the package", () => {
  it("holds what it needs, and no test", () => {
    const paths = packed.files.map((x) => x.path);
    console.log(`npm pack: ${paths.length} files, ${packed.size} bytes, ${packed.unpackedSize} unpacked`);
    for (const needed of ["package.json", "README.md", "LICENSE", "example/index.html", "dist/index.js", "dist/index.d.ts", "dist/capture.worklet.js", "dist/playback.worklet.js"]) {
      assert.ok(paths.includes(needed), needed);
    }
    assert.deepEqual(paths.filter((x) => /test|fake|model-server|tsbuildinfo/.test(x)), []);
  });

  it("leaves behind what is not used", async () => {
    const resampler = await bundled(`import { Resampler } from "@stonepot/voice"; console.log(new Resampler(48000, 16000));`);
    const all = await bundled(`import * as voice from "@stonepot/voice"; console.log(voice);`);
    console.log(`Resampler alone: ${resampler.gzip} bytes gzip; everything: ${all.gzip}`);
    assert.ok(resampler.gzip < 2000, `${resampler.gzip} bytes`);
    for (const word of ["WebSocket", "AudioContext", "worklet"]) {
      assert.ok(all.text.includes(word), word);
      assert.ok(!resampler.text.includes(word), `The resampler alone carries ${word}.`);
    }
    assert.ok(all.gzip < 26_000, `${all.gzip} bytes`);
  });

  it("can be used by strict TypeScript, with Node's resolution and with bundlers'", async () => {
    const program = join(home, "program.ts");
    await writeFile(
      program,
      `import { createCall, serverAt, setWorkletUrls, type CallSnapshot } from "@stonepot/voice";
import { inlineWorklets } from "@stonepot/voice/inline";
setWorkletUrls(inlineWorklets());
const call = createCall(serverAt("https://example.org"));
const stop: () => void = call.subscribe(() => { const s: CallSnapshot = call.getSnapshot(); console.log(s.captions[0]?.text); });
call.start({ microphone: true, config: { voice: "Kore" } });
// @ts-expect-error: an option that does not exist
call.start({ microfone: true });
stop();
`,
    );
    for (const [module, moduleResolution] of [
      [ts.ModuleKind.NodeNext, ts.ModuleResolutionKind.NodeNext],
      [ts.ModuleKind.ESNext, ts.ModuleResolutionKind.Bundler],
    ]) {
      const checked = ts.createProgram([program], {
        strict: true,
        exactOptionalPropertyTypes: true,
        noEmit: true,
        target: ts.ScriptTarget.ES2022,
        lib: ["lib.es2023.d.ts", "lib.dom.d.ts", "lib.dom.iterable.d.ts"],
        types: [],
        ...(module === undefined ? {} : { module }),
        ...(moduleResolution === undefined ? {} : { moduleResolution }),
      });
      const found = ts.getPreEmitDiagnostics(checked).map((x) => ts.flattenDiagnosticMessageText(x.messageText, "\n"));
      assert.deepEqual(found, []);
    }
  });

  it("says of every export what it is", () => {
    const index = join(home, "package", "dist", "index.d.ts");
    const program = ts.createProgram([index], { module: ts.ModuleKind.NodeNext, target: ts.ScriptTarget.ES2022, types: [] });
    const checker = program.getTypeChecker();
    const source = program.getSourceFile(index);
    const symbol = source && checker.getSymbolAtLocation(source);
    assert.ok(symbol);
    const silent = checker
      .getExportsOfModule(symbol)
      .map((x) => (x.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(x) : x))
      .filter((x) => x.getDocumentationComment(checker).length === 0)
      .map((x) => x.name);
    assert.deepEqual(silent, []);
  });

  it("has worklets that stand alone, as files and in the bundle", async () => {
    const dist = join(home, "package", "dist");
    const { inlineWorklets } = await import(join(dist, "inline.js"));
    const addresses = inlineWorklets();
    for (const name of ["capture", "playback"]) {
      const file = await readFile(join(dist, `${name}.worklet.js`), "utf8");
      assert.match(file, new RegExp(`registerProcessor\\(`));
      assert.doesNotMatch(file, /\bimport\b/);
      assert.equal(await (await fetch(addresses[name])).text(), file, name);
    }
    const resolve = createRequire(join(home, "program.js")).resolve;
    assert.equal(resolve("@stonepot/voice/capture.worklet.js").endsWith("capture.worklet.js"), true);
  });
});

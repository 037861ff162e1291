// The package's example, as the server itself serves it and from an origin of its own; needs `npm run package`.
import assert from "node:assert/strict";
import { cp, mkdtemp, readFile, rm } from "node:fs/promises";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join, normalize } from "node:path";
import { fileURLToPath } from "node:url";
import { after, before, describe, it } from "node:test";
import { launchChromium, onPage } from "./chromium.mjs";
import { startStonepot } from "./stonepot.mjs";

const voice = fileURLToPath(new URL("../packages/voice", import.meta.url));

/** @type {import("./stonepot.mjs").Server} */
let server;
/** @type {import("playwright-core").Browser} */
let browser;
/** @type {import("node:http").Server} */
let plain;
/** @type {string} */
let folder;
/** @type {string} */
let elsewhere;

before(async () => {
  // As `make example` lays it out: the page where an index.html has to be.
  folder = await mkdtemp(join(tmpdir(), "stonepot-example-"));
  await cp(join(voice, "example", "index.html"), join(folder, "index.html"));
  await cp(join(voice, "dist"), join(folder, "dist"), { recursive: true });

  // Any static server.
  plain = createServer((request, response) => {
    const path = normalize(new URL(request.url ?? "/", "http://x").pathname);
    readFile(join(voice, path.endsWith("/") ? `${path}index.html` : path)).then(
      (bytes) => response.setHeader("Content-Type", /\.js$/.test(path) ? "text/javascript" : "text/html").end(bytes),
      () => response.writeHead(404).end(),
    );
  });
  await new Promise((done) => plain.listen(0, "127.0.0.1", () => done(undefined)));
  const address = plain.address();
  assert.ok(address && typeof address === "object");
  elsewhere = `http://127.0.0.1:${address.port}`;

  server = await startStonepot({ STONEPOT_STATIC_DIR: folder, STONEPOT_CORS_WEBSOCKET_ORIGINS: elsewhere });
  browser = await launchChromium();
});
after(async () => {
  await browser?.close();
  await server?.stop();
  plain?.close();
  await rm(folder, { recursive: true, force: true });
});

/** @param {import("playwright-core").Page} page */
async function talk(page) {
  /** @param {string} state */
  const state = (state) => page.waitForFunction((x) => document.getElementById("state")?.textContent === x, state, { timeout: 20_000 });
  await page.getByRole("button", { name: "Talk" }).click();
  await state("listening");
  await state("speaking");
  await page.getByText(/^person: .*\w/).first().waitFor();
  await page.getByText(/^model: .*\w/).first().waitFor();
  await page.getByRole("button", { name: "End" }).click();
  await state("ended");
}

describe("the package's example", () => {
  it("connects, speaks and hears an answer, under the server's strict policy", { timeout: 60_000 }, () =>
    onPage(
      async (page) => {
        const { headers } = await fetch(server.url);
        assert.match(headers.get("Content-Security-Policy") ?? "", /script-src 'self' 'sha256-[^ ]+';/);
        await talk(page);
      },
      { from: browser, url: server.url },
    ));

  it("does the same from another origin that cors.websocket_origins names", { timeout: 60_000 }, async () => {
    const context = await browser.newContext();
    const page = await context.newPage();
    await page.goto(`${elsewhere}/example/?server=${encodeURIComponent(server.url)}`);
    await talk(page);
    await context.close();
  });
});

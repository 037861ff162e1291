// Without a network the page says so, and no version of it holds anybody.
import assert from "node:assert/strict";
import { cp, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { after, before, it } from "node:test";
import { launchChromium } from "./chromium.mjs";
import { accessible } from "./page.mjs";
import { startStonepot } from "./stonepot.mjs";

/** @type {import("playwright-core").Browser} */
let browser;
/** @type {string} */
let next;

before(async () => {
  browser = await launchChromium();
  // A deployment: another page, another worker.
  next = await mkdtemp(join(tmpdir(), "stonepot-next-"));
  await cp(fileURLToPath(new URL("../../static/dist", import.meta.url)), next, { recursive: true });
  for (const name of ["index.html", "sw.js"]) {
    const text = await readFile(join(next, name), "utf8");
    await writeFile(join(next, name), name === "sw.js" ? text.replace(/version:"\w+"/, `version:"next"`) : text.replace("<title", "<title data-next"));
    for (const packed of [".gz", ".br"]) await rm(join(next, name + packed), { force: true });
  }
});
after(async () => {
  await browser?.close();
  await rm(next, { recursive: true, force: true });
});

it("says that there is no connection, comes back with it, and takes a new deployment at the next load", { timeout: 90_000 }, async () => {
  let server = await startStonepot();
  const { port, url } = server;
  const context = await browser.newContext();
  try {
    let page = await context.newPage();
    const idle = () => page.getByRole("button", { name: "Start talking" }).waitFor();
    const worker = await fetch(`${url}/sw.js`);
    assert.equal(worker.headers.get("Cache-Control"), "no-cache");
    await page.goto(url);
    await idle();
    await page.evaluate("navigator.serviceWorker.ready.then(() => navigator.serviceWorker.controller ?? new Promise((done) => navigator.serviceWorker.addEventListener('controllerchange', done)))");
    const kept = /** @type {string[]} */ (
      await page.evaluate("caches.keys().then((names) => Promise.all(names.map((n) => caches.open(n).then((c) => c.keys())))).then((all) => all.flat().map((r) => new URL(r.url).pathname))")
    );
    assert.ok(kept.includes("/offline/"));
    assert.deepEqual(kept.filter((path) => path !== "/offline/" && !path.startsWith("/_next/static/")), []);

    // The server is gone.
    await server.stop();
    /** @type {string[]} */
    const blocked = [];
    page.on("console", (m) => /Content Security Policy/.test(m.text()) && blocked.push(m.text()));
    await page.reload();
    const sentence = page.getByRole("heading", { name: "No connection" });
    await sentence.waitFor();
    assert.equal(page.url(), `${url}/`);
    assert.equal(await page.evaluate("document.fonts.ready.then((fonts) => [...fonts].some((font) => font.status === 'loaded'))"), true);
    await accessible(page, "no connection");
    await page.getByRole("link", { name: "Try again" }).click();
    await sentence.waitFor();
    await page.goto(`${url}/ops/`);
    await sentence.waitFor();
    // What the server itself would say is not replaced.
    await assert.rejects(page.goto(`${url}/api/config`));
    assert.deepEqual(blocked, []);

    // It is back, and by and by it is another one.
    server = await startStonepot({}, "", port);
    // In a tab of its own: Chromium's page about the refused connection loads itself again by and by, in the middle of whatever comes.
    await page.close();
    page = await context.newPage();
    await page.goto(`${url}/ops/`);
    await page.getByRole("heading", { name: "No connection" }).waitFor({ state: "detached" });
    await page.goto(url);
    await idle();
    assert.equal(await page.locator("title[data-next]").count(), 0);
    await server.stop();
    server = await startStonepot({ STONEPOT_STATIC_DIR: next }, "", port);
    await page.reload();
    await idle();
    assert.equal(await page.locator("title[data-next]").count(), 1);
    await page.waitForFunction("caches.keys().then((names) => names.length === 1 && names[0] === 'stonepot-offline-next')");

    // The device's own network.
    await context.setOffline(true);
    await page.reload();
    await page.getByRole("heading", { name: "No connection" }).waitFor();
    await context.setOffline(false);
    await idle();
  } finally {
    await context.close();
    await server.stop();
  }
});

// What a browser needs to install the page, and how much of it there is to fetch.
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { launchChromium, onPage } from "./chromium.mjs";
import { startStonepot } from "./stonepot.mjs";

/** The talk page's scripts, gzip, Next and React included, may not grow beyond this unnoticed. */
const maxScriptBytes = 175_000;

/** @type {import("./stonepot.mjs").Server} */
let server;
/** @type {import("playwright-core").Browser} */
let browser;

before(async () => {
  server = await startStonepot();
  browser = await launchChromium();
});
after(async () => {
  await browser?.close();
  await server?.stop();
});

describe("the page", () => {
  it("can be installed: a manifest, and icons of the sizes that it promises", { timeout: 60_000 }, () =>
    onPage(
      async (page) => {
        const devtools = await page.context().newCDPSession(page);
        const { url, data, errors } = await devtools.send("Page.getAppManifest");
        assert.ok(url.startsWith(server.url), url);
        assert.deepEqual(errors, []);
        const { icons, start_url, display } = JSON.parse(data ?? "{}");
        assert.deepEqual([start_url, display], ["/", "standalone"]);
        assert.ok(icons.some((/** @type {any} */ i) => i.purpose === "maskable"));
        for (const { src, sizes } of icons) {
          const size = await page.evaluate(async (from) => {
            const image = new Image();
            image.src = from;
            await image.decode();
            return `${image.naturalWidth}x${image.naturalHeight}`;
          }, src);
          assert.equal(size, sizes, src);
        }
        const apple = await page.locator("link[rel=apple-touch-icon]").getAttribute("href");
        assert.equal((await fetch(new URL(apple ?? "", server.url))).status, 200);
      },
      { from: browser, url: server.url },
    ));

  it("fetches no more script than it may", { timeout: 60_000 }, async () => {
    const html = await (await fetch(server.url)).text();
    // `noModule` scripts are for browsers that this page is not for.
    const sources = [...html.matchAll(/<script([^>]*) src="([^"]+)"([^>]*)>/g)].filter((m) => !/nomodule/i.test(m[1] + String(m[3]))).map((m) => m[2] ?? "");
    assert.ok(sources.length > 0);
    let bytes = 0;
    for (const src of new Set(sources)) {
      const response = await fetch(new URL(src, server.url), { headers: { "Accept-Encoding": "gzip" } });
      bytes += Number(response.headers.get("Content-Length"));
    }
    console.log(`initial scripts: ${bytes} bytes, gzip`);
    assert.ok(bytes > 0 && bytes < maxScriptBytes, `${bytes} bytes of script`);
  });
});

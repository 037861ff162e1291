// What a browser needs to install the page, and how much of it there is to fetch.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { setUp } from "./setup.mjs";

/** The talk page's scripts, gzip, React (69 kB) included, may not grow beyond this unnoticed. */
const maxScriptBytes = 110_000;

const here = setUp();

describe("the page", () => {
  it("can be installed: a manifest, and icons of the sizes that it promises", { timeout: 60_000 }, () =>
    here.onPage(async (page) => {
      const devtools = await page.context().newCDPSession(page);
      const { url, data, errors } = await devtools.send("Page.getAppManifest");
      assert.ok(url.startsWith(here.server.url), url);
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
      assert.equal((await fetch(new URL(apple ?? "", here.server.url))).status, 200);
    }));

  it("fetches no more script than it may, and none of Next's", { timeout: 60_000 }, () =>
    here.onPage(async (page) => {
      await page.getByText("Simulated model.").waitFor(); // React draws it, after the server's answer
      const html = await (await fetch(here.server.url)).text();
      const named = [...html.matchAll(/<(?:script[^>]* src|link rel="modulepreload"[^>]* href)="([^"]+)"/g)].map((m) => m[1] ?? "");
      assert.ok(named.length > 0);
      assert.deepEqual(named.filter((src) => !src.startsWith("/_next/static/scripts/")), []);
      let bytes = 0;
      for (const src of new Set(named)) {
        const response = await fetch(new URL(src, here.server.url), { headers: { "Accept-Encoding": "gzip" } });
        bytes += Number(response.headers.get("Content-Length"));
      }
      console.log(`initial scripts: ${bytes} bytes, gzip`);
      assert.ok(bytes > 0 && bytes < maxScriptBytes, `${bytes} bytes of script`);
    }));
});

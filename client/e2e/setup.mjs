// What the stories of a file share: one server and one browser. Each story has a context of its own.
import assert from "node:assert/strict";
import { after, before } from "node:test";
import { launchChromium, onPage } from "./chromium.mjs";
import { startStonepot } from "./stonepot.mjs";

/**
 * For stories that are not about waiting: the model answers at once. Not for those in which it loses its connection: what it was
 * told within resume.overlap of a handle is told again.
 */
export const answersAtOnce = "simulator:\n  thinking_delay: 50ms\n  thinking_extra: 0s\n";

/**
 * Starts both before the file's first story, ends them after its last one, and asserts that the server ended cleanly.
 * @param {object} [options]
 * @param {Record<string, string>} [options.env]
 * @param {string} [options.config]
 * @param {Parameters<typeof launchChromium>[0]} [options.chromium]
 */
export function setUp({ env, config, chromium } = {}) {
  /** @type {import("./stonepot.mjs").Server | undefined} */
  let server;
  /** @type {import("playwright-core").Browser | undefined} */
  let browser;

  before(async () => {
    server = await startStonepot(env, config);
    browser = await launchChromium(chromium);
  });
  after(async () => {
    await browser?.close();
    const code = await server?.stop();
    if (server) assert.equal(code, 0, `stonepot ends cleanly:\n${server.log()}`);
  });

  return {
    get server() {
      return /** @type {import("./stonepot.mjs").Server} */ (server);
    },
    get browser() {
      return /** @type {import("playwright-core").Browser} */ (browser);
    },
    /**
     * A story on this server, in this browser, unless told otherwise.
     * @param {(page: import("playwright-core").Page) => Promise<void>} story
     * @param {Partial<Parameters<typeof onPage>[1]>} [options]
     */
    onPage(story, options = {}) {
      return onPage(story, { from: this.browser, url: this.server.url, ...options });
    },
  };
}

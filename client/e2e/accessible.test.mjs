// axe-core on the talk page in each state of a conversation; on what else there is, the stories about it look.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { accessible, facts, press, until, write } from "./page.mjs";
import { setUp } from "./setup.mjs";

// Each state lasts long enough to be looked at.
const here = setUp({ config: "simulator:\n  setup_delay: 3s\n  thinking_delay: 3s\n", chromium: { microphone: "silent" } });

describe("axe-core finds nothing", () => {
  for (const viewport of [
    { width: 390, height: 844 },
    { width: 1440, height: 900 },
  ]) {
    it(`in any state (${viewport.width} px)`, { timeout: 120_000 }, () =>
      here.onPage(
        async (page) => {
          // "Interrupted" would be over before axe-core is.
          await page.addInitScript(() => {
            const later = globalThis.setTimeout;
            // @ts-expect-error Nothing here uses what Node's has beyond the browser's.
            globalThis.setTimeout = (/** @type {() => void} */ work, ms = 0, ...rest) => later(work, ms >= 500 ? ms * 10 : ms, ...rest);
          });
          await page.reload();
          await page.getByText("Simulated model.").waitFor();
          /** @param {string} status */
          const look = async (status) => {
            await until(page, status, (f) => f.status === status);
            await accessible(page, status);
            assert.equal((await facts(page)).status, status, "it was looked at in this state");
          };
          await look("idle");
          await press(page, "Start talking");
          await look("connecting");
          await look("listening");
          await write(page, "Please tell me a long story about a stone bridge, an old miller and the river below them.");
          await look("thinking");
          await look("speaking");
          await page.keyboard.press("Escape");
          await look("interrupted");
          await press(page, "Mute");
          await page.getByText("Details").click();
          await until(page, "the microphone to be muted", (f) => f.muted);
          await accessible(page, "muted, with details");
          await press(page, "End");
          await look("ended");
        },
        { viewport },
      ));
  }
});

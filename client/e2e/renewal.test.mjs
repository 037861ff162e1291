// The connection to the model is renewed, and whoever talks learns of none.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { setUp } from "./setup.mjs";
import { startStonepot } from "./stonepot.mjs";
import { end, renewed, start } from "./stories.mjs";

/** @typedef {import("playwright-core").Page} Page */

const here = setUp();

describe("the connection to the model is renewed in mid-conversation", () => {
  /**
   * @param {string} simulator      what is set of the simulator
   * @param {(page: Page, renewals: () => number) => Promise<void>} story
   */
  async function withRenewals(simulator, story) {
    const renewing = await startStonepot({}, `simulator:\n  ${simulator}\n`);
    const renewals = () => renewing.log().split("the upstream was renewed").length - 1;
    try {
      await here.onPage(
        async (page) => {
          await story(page, renewals);
          await end(page);
        },
        { url: renewing.url },
      );
      assert.ok(renewals() > 0, renewing.log());
    } finally {
      assert.equal(await renewing.stop(), 0);
    }
  }

  it("because it is old, again and again", { timeout: 120_000 }, () =>
    withRenewals("go_away_after: 3s\n  go_away_left: 6s", async (page, renewals) => {
      await start(page);
      await renewed(page, renewals, 3);
    }));

  it("because it breaks, again and again", { timeout: 120_000 }, () =>
    withRenewals("faults: [{kind: drop, after: 5s}]", async (page, renewals) => {
      await start(page);
      await renewed(page, renewals, 3);
    }));
});

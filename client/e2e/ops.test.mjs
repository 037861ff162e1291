// The operator's page against a running server, in Chromium.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { launchChromium } from "./chromium.mjs";
import { accessible, facts, press, until } from "./page.mjs";
import { answersAtOnce, setUp } from "./setup.mjs";
import { startStonepot } from "./stonepot.mjs";
import { end, start } from "./stories.mjs";

/** @typedef {import("playwright-core").Page} Page */

const key = "an operator's key for this test";

const here = setUp({ config: answersAtOnce });

/**
 * A story on the operator's page of a server.
 * @param {(page: Page) => Promise<void>} story
 * @param {Parameters<typeof here.onPage>[1] & { at?: import("./stonepot.mjs").Server }} [options]
 */
const onOps = (story, { at = here.server, ...options } = {}) => here.onPage(story, { url: `${at.url}/ops/`, ...options });

/**
 * @param {Page} page
 * @param {string} state `live`, or the trouble
 */
const shows = (page, state) => page.locator(`[data-ops="${state}"]`).waitFor();

/**
 * @param {Page} page
 * @param {string} tile
 * @param {string} value
 */
const tile = (page, tile, value) => page.locator(`[data-tile="${tile}"] [data-value]`).getByText(value, { exact: true }).waitFor();

/**
 * A conversation on the talk page of a server, in a browser of its own.
 * @param {(page: Page) => Promise<void>} story
 */
const talking = (story) =>
  here.onPage(async (page) => {
    await start(page);
    await story(page);
    // Left open it would be in the next story's list, for as long as its browser might come back.
    if (!["ended", "failed"].includes((await facts(page)).status)) await end(page);
  });

describe("the operator's page", () => {
  it("is found without its slash, and told to no search engine", async () => {
    const answer = await fetch(`${here.server.url}/ops?x=1`, { redirect: "manual" });
    assert.equal(answer.status, 308);
    assert.equal(answer.headers.get("Location"), "/ops/?x=1");
    const page = await fetch(`${here.server.url}/ops/`);
    assert.equal(page.status, 200);
    assert.match(page.headers.get("Content-Security-Policy") ?? "", /script-src 'self'/);
    assert.match(await page.text(), /<meta name="robots" content="noindex, nofollow"/);
  });

  it("says that nobody talks, and shows who does", { timeout: 60_000 }, () =>
    onOps(async (page) => {
      await shows(page, "live");
      await page.getByText("Nobody is talking.").waitFor();
      await accessible(page, "empty");
      await talking(async (talk) => {
        await tile(page, "Live now", "1");
        const row = page.locator("[data-session]");
        await row.getByText("gemini (simulated)").waitFor();
        await until(talk, "an answer", (f) => f.status === "speaking");
        await page.locator('[data-latency="responseMs"] td').last().getByText(/^[1-9]/).waitFor();
        await page.locator('[data-group^="gemini/"]').waitFor();
        assert.match((await page.locator('[data-chart="Conversations"] path[data-line=talking]').getAttribute("d")) ?? "", /^M.*L/);
        await accessible(page, "somebody talks");
        await press(talk, "End");
        await page.locator('[data-card="Why conversations ended"] [data-count=ended]').waitFor();
        await page.getByText("Nobody is talking.").waitFor();
      });
    }));

  it("ends a conversation, after a question, by keyboard", { timeout: 60_000 }, () =>
    onOps(async (page) => {
      await talking(async (talk) => {
        const row = page.locator("[data-session]");
        await row.waitFor();
        const name = (await row.getByRole("button").getAttribute("aria-label")) ?? "";
        await press(page, name);
        const dialog = page.getByRole("dialog", { name: "End this conversation?" });
        await dialog.waitFor();
        assert.equal(await page.evaluate(() => document.activeElement?.textContent), "Keep it", "the harmless answer comes first");
        await accessible(page, "the question");
        await page.keyboard.press("Escape");
        await dialog.waitFor({ state: "detached" });
        assert.equal(await row.count(), 1, "Escape keeps it");
        assert.equal(await page.evaluate(() => document.activeElement?.getAttribute("aria-label")), name, "the keyboard is where it was");

        await press(page, name);
        await press(page, "End it");
        await until(talk, "the word of the operator", (f) => f.problem === "ended_by_operator");
        await page.getByText(/^Conversation .* was ended\.$/).waitFor();
        assert.equal(await page.evaluate(() => document.activeElement?.textContent), "Live conversations", "the keyboard goes on at the list");
        await page.getByText("Nobody is talking.").waitFor();
        await page.locator("[data-count=ended_by_operator]").waitFor();
        await accessible(page, "after the end");
      });
    }));

  it("drops a connection at once, and says so when a conversation was over already", { timeout: 60_000 }, () =>
    onOps(async (page) => {
      await talking(async (talk) => {
        const end = page.locator("[data-session]").getByRole("button");
        await end.click();
        await page.getByRole("button", { name: "Drop it" }).click();
        await until(talk, "the end", (f) => f.status === "failed" || f.status === "ended", 40_000);
        await page.getByText("Nobody is talking.").waitFor();
      });
      await talking(async (talk) => {
        await page.locator("[data-session]").getByRole("button").click();
        await press(talk, "End");
        await until(talk, "the end", (f) => f.status === "ended");
        await page.getByRole("button", { name: "End it" }).click();
        await page.getByText(/was over already/).waitFor();
      });
      // The browser's console names the 404.
    }, { expectErrors: true }));

  it("asks for the key once, keeps it for the tab, and never in an address", { timeout: 60_000 }, async () => {
    const locked = await startStonepot({ STONEPOT_OPERATOR_KEY: key });
    try {
      await onOps(
        async (page) => {
          /** @type {string[]} */
          const addresses = [];
          page.on("request", (request) => addresses.push(request.url()));
          await shows(page, "keyWanted");
          await accessible(page, "the key is wanted");
          await page.keyboard.type("not the key at all");
          await page.keyboard.press("Enter");
          await page.getByText("This key was not accepted").waitFor();
          await accessible(page, "a wrong key");
          await page.getByLabel("Key").fill(key);
          await page.keyboard.press("Enter");
          await shows(page, "live");
          await page.getByText("Nobody is talking.").waitFor();
          assert.equal(await page.evaluate(() => document.activeElement?.textContent), "Operator", "the keyboard goes on above the figures");

          await page.reload();
          await shows(page, "live");
          const kept = await page.evaluate(() => ({ local: Object.values(localStorage).join(), cookies: document.cookie, address: location.href }));
          assert.deepEqual(kept, { local: "", cookies: "", address: `${locked.url}/ops/` });
          assert.ok(!addresses.some((x) => decodeURIComponent(x).includes(key)), addresses.join("\n"));

          await press(page, "Forget the key");
          await shows(page, "keyWanted");
          assert.equal(await page.evaluate(() => sessionStorage.length), 0);
          await page.locator("input:focus").waitFor();
          // The browser's console names each 401.
        },
        { at: locked, expectErrors: true },
      );
    } finally {
      await locked.stop();
    }
  });

  it("shows open figures without a key, and asks for it where people are listed", { timeout: 60_000 }, async () => {
    const open = await startStonepot({ STONEPOT_OPERATOR_KEY: key, STONEPOT_AUTH_STATS: "open" });
    try {
      await onOps(
        async (page) => {
          await shows(page, "live");
          await page.locator("[data-list-trouble=keyWanted]").waitFor();
          await accessible(page, "open figures");
          await page.getByLabel("Key").fill(key);
          await page.keyboard.press("Enter");
          await page.getByText("Nobody is talking.").waitFor();
        },
        { at: open, expectErrors: true },
      );
    } finally {
      await open.stop();
    }
  });

  it("says what to do where there is nothing to see", { timeout: 60_000 }, async () => {
    // Another name than localhost: the server is open to its own machine only.
    const mapped = await launchChromium({ args: ["--host-resolver-rules=MAP stonepot.test 127.0.0.1"] });
    try {
      await onOps(
        async (page) => {
          await shows(page, "closed");
          await page.getByText("Set STONEPOT_OPERATOR_KEY").waitFor();
          await accessible(page, "closed");
        },
        { from: mapped, url: `http://stonepot.test:${here.server.port}/ops/`, expectErrors: true },
      );
    } finally {
      await mapped.close();
    }
  });

  it("keeps the last figures of a server that is gone, and goes on when it is back", { timeout: 90_000 }, async () => {
    const dying = await startStonepot();
    try {
      await onOps(
        async (page) => {
          await shows(page, "live");
          dying.kill("SIGKILL");
          await shows(page, "unreachable");
          await page.locator("[data-tile]").first().waitFor();
          await accessible(page, "the server is gone");
          const again = await startStonepot({}, "", dying.port);
          try {
            assert.equal(await page.locator("[data-restarted]").count(), 0);
            await press(page, "Look again now");
            await shows(page, "live");
            await page.locator("[data-restarted]").waitFor();
          } finally {
            await again.stop();
          }
        },
        { at: dying, expectErrors: true },
      );
    } finally {
      await dying.stop();
    }
  });

  it("asks nothing while nobody sees it", { timeout: 60_000 }, () =>
    onOps(async (page) => {
      await page.clock.install();
      await page.reload();
      let asked = 0;
      page.on("request", () => void asked++);
      await shows(page, "live");
      const before = asked;
      await page.clock.runFor(10_000);
      await page.waitForRequest(/session\/stats/);
      assert.ok(asked > before, "it asks while somebody does");
      await page.evaluate(() => {
        Object.defineProperty(document, "visibilityState", { value: "hidden", configurable: true });
        document.dispatchEvent(new Event("visibilitychange"));
      });
      const unseen = asked;
      await page.clock.runFor(60_000);
      assert.equal(asked, unseen);
      const again = page.waitForRequest(/session\/stats/);
      await page.evaluate(() => {
        Object.defineProperty(document, "visibilityState", { value: "visible", configurable: true });
        document.dispatchEvent(new Event("visibilitychange"));
      });
      await again;
    }));

  it("fits on 320, 390 and 1440 pixels", { timeout: 60_000 }, () =>
    onOps(async (page) => {
      await shows(page, "live");
      await talking(async () => {
        await page.locator("[data-session]").waitFor();
        for (const width of [320, 390, 1440]) {
          await page.setViewportSize({ width, height: 844 });
          assert.equal(await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth), 0);
          await accessible(page, `${width} px`);
        }
      });
    }));
});

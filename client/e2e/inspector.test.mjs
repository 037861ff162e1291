// The inspector on the talk page, in Chromium.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { describe, it } from "node:test";
import { startFaultProxy } from "./fault-proxy.mjs";
import { accessible, press, until, write } from "./page.mjs";
import { setUp } from "./setup.mjs";
import { end, start } from "./stories.mjs";

/** @typedef {import("playwright-core").Page} Page */

const here = setUp();

/**
 * @param {(page: Page) => Promise<void>} story
 * @param {Parameters<typeof here.onPage>[1]} [options]
 */
const onDebugPage = (story, options) => here.onPage(story, { url: `${here.server.url}/?debug`, ...options });

/** The names of the messages in the list. @param {Page} page @returns {Promise<string[]>} */
const listed = (page) => page.locator("[data-entry]").evaluateAll((rows) => rows.map((row) => /** @type {HTMLElement} */ (row).dataset.entry ?? ""));

/**
 * Waits until the list has all of these.
 * @param {Page} page
 * @param {...string} names
 */
async function lists(page, ...names) {
  for (const name of names) await page.locator(`[data-entry="${name}"]`).first().waitFor();
}

/** What Export hands out. @param {Page} page */
async function exported(page) {
  const [file] = await Promise.all([page.waitForEvent("download"), press(page, "Export")]);
  assert.match(file.suggestedFilename(), /^stonepot-.*\.jsonl$/);
  const text = await readFile(await file.path(), "utf8");
  return { text, lines: text.trimEnd().split("\n").map((line) => /** @type {any} */ (JSON.parse(line))) };
}

describe("the inspector", () => {
  it("lists what goes both ways, filters, and exports it without the tickets", { timeout: 90_000 }, () =>
    onDebugPage(async (page) => {
      /** @type {string[]} */
      const tickets = [];
      page.on("websocket", (socket) =>
        socket.on("framereceived", ({ payload }) => {
          const ticket = typeof payload === "string" ? JSON.parse(payload).resumeTicket : undefined;
          if (ticket) tickets.push(ticket);
        }),
      );
      await page.getByText("What goes over the line appears here.").or(page.locator("[data-entry=line]")).first().waitFor();
      await start(page);
      await until(page, "an answer", (f) => f.status === "speaking" && f.playedMs > 500);
      await lists(page, "line", "start_session", "session_started", "session_ready", "audio", "input_transcript");
      assert.equal((await listed(page)).filter((name) => name === "ack").length, 0);

      // A row opens by keyboard, and shows its message.
      const first = page.locator("[data-entry=session_ready] summary");
      await first.focus();
      await page.keyboard.press("Enter");
      await page.locator("[data-entry=session_ready] pre").getByText('"sampleRate": 24000').waitFor();
      await accessible(page, "with messages");

      await page.getByLabel("ack, ping").check();
      await lists(page, "ack");
      await page.getByLabel("Sound").uncheck();
      await page.getByLabel("Filter").fill("START_S");
      await page.waitForFunction(() => [...document.querySelectorAll("[data-entry]")].every((row) => /** @type {HTMLElement} */ (row).dataset.entry === "start_session"));
      assert.equal((await listed(page)).length, 1);
      await page.getByLabel("Direction").selectOption("down");
      await page.locator("[data-entry=start_session]").waitFor({ state: "detached" });
      await page.getByLabel("Filter").fill("there is no such thing");
      await page.getByText("Nothing matches the filter.").waitFor();

      for (const plot of ["Sent frames", "Received frames", "Playback buffer"]) {
        const figure = page.locator(`[data-plot="${plot}"]`);
        assert.match((await figure.locator("path").last().getAttribute("d")) ?? "", /^M.*L/, plot);
      }
      assert.match((await page.locator('[data-plot="Sent frames"] [data-facts]').textContent()) ?? "", /^median \d+ ms, 95 % \d+ ms, longest \d+ ms$/);
      assert.match((await page.locator('[data-plot="Playback buffer"] [data-facts]').textContent()) ?? "", /\d+ underruns?$/);

      const { text, lines } = await exported(page);
      const types = lines.map((line) => line.message?.type ?? (line.audio ? "audio" : line.line));
      for (const wanted of ["dialled", "opened", "start_session", "session_started", "session_ready", "audio", "ack"]) assert.ok(types.includes(wanted), wanted);
      assert.deepEqual(lines.map((line) => line.t), lines.map((line) => line.t).toSorted((a, b) => a - b));
      assert.ok(tickets.length > 0);
      for (const ticket of tickets) assert.ok(!text.includes(ticket), "a ticket was exported");
      const html = await page.content();
      for (const ticket of tickets) assert.ok(!html.includes(ticket), "a ticket is on the page");
      await end(page);
    }));

  it("is opened from the details in mid-conversation, and closed again", { timeout: 60_000 }, () =>
    onDebugPage(
      async (page) => {
        assert.equal(await page.locator("[data-inspector]").count(), 0);
        await start(page);
        await page.getByText("Details").click();
        await press(page, "Open the inspector");
        await page.locator("[data-inspector]").waitFor();
        await write(page, "How deep is the river?");
        await lists(page, "text", "audio");
        // What went before it was opened was not seen.
        assert.ok(!(await listed(page)).includes("session_started"));
        await press(page, "Clear");
        await page.locator("[data-entry=text]").waitFor({ state: "detached" });
        await press(page, "Close");
        await page.locator("[data-inspector]").waitFor({ state: "detached" });
        await end(page);
      },
      { url: here.server.url },
    ));

  it("sees the line break, and the session go on without its ticket being shown", { timeout: 60_000 }, async () => {
    const proxy = await startFaultProxy(here.server.port);
    try {
      await onDebugPage(
        async (page) => {
          await start(page);
          await lists(page, "session_ready");
          proxy.cut();
          await lists(page, "session_resumed");
          await page.getByText("line closed").waitFor();
          assert.equal(await page.locator("[data-entry=line]").getByText("line dialled").count(), 2);
          const { lines } = await exported(page);
          const resume = lines.find((line) => line.message?.type === "start_session" && line.message.resume);
          assert.equal(resume.message.resume.resumeTicket, "(redacted)");
          await end(page);
          await lists(page, "end_session", "session_ended");
        },
        { url: `http://127.0.0.1:${proxy.port}/?debug`, expectErrors: true },
      );
    } finally {
      await proxy.close();
    }
  });

  for (const viewport of [
    { width: 390, height: 844 },
    { width: 1440, height: 900 },
  ]) {
    it(`fits, and axe-core finds nothing (${viewport.width} px)`, { timeout: 60_000 }, () =>
      onDebugPage(
        async (page) => {
          await accessible(page, "empty");
          await start(page);
          await until(page, "an answer", (f) => f.status === "speaking" && f.playedMs > 300);
          await lists(page, "session_ready");
          assert.equal(await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth), 0);
          // Nothing lies below the inspector, however long its list is.
          assert.ok(
            await page.evaluate(() => {
              const inspector = document.querySelector("[data-inspector]");
              const stage = inspector?.parentElement;
              if (!inspector || !stage) return false;
              return stage.scrollHeight - stage.scrollTop - inspector.getBoundingClientRect().bottom < 1;
            }),
          );
          await accessible(page, "in a conversation");
          await end(page);
        },
        { viewport },
      ));
  }
});

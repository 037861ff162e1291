// Conversations that go on elsewhere: pages that are reloaded, tabs that take over, servers that are replaced.
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { describe, it } from "node:test";
import { accessible, facts, press, until, write } from "./page.mjs";
import { answersAtOnce, setUp } from "./setup.mjs";
import { startSimulator, startStonepot } from "./stonepot.mjs";
import { end, muted, start } from "./stories.mjs";
import { assertWhole, goesOn, listen, question, sessionOf, speaks } from "./whole.mjs";

/** @typedef {import("playwright-core").Page} Page */

const here = setUp({ config: answersAtOnce, chromium: { microphone: "silent" } });

describe("a page that is reloaded", () => {
  it("goes on with the conversation, its text and its session", { timeout: 90_000 }, () =>
    here.onPage(async (page) => {
      await start(page);
      await muted(page);
      const id = await sessionOf(page);
      await write(page, question);
      await until(page, "the whole answer", (f) => f.captions.at(-1)?.text.endsWith('".') === true && f.status === "listening", 40_000);
      const { captions } = await facts(page);
      for (let i = 0; i < 2; i++) {
        await page.reload();
        const back = await until(page, "the offer", (f) => f.title === "Welcome back");
        assert.deepEqual(back.captions, captions, "the text is still there");
        await accessible(page, "welcome back");
        await press(page, "Continue conversation");
        await until(page, "the conversation", (f) => f.status === "listening");
        assert.equal(await sessionOf(page), id);
        assert.ok((await facts(page)).muted, "nobody is heard who was muted");
      }
      const { captions: then } = await facts(page);
      await write(page, "And who built it?");
      const f = await until(page, "an answer", (x) => x.captions.at(-1)?.text.endsWith('".') === true && x.captions.length > then.length, 30_000);
      assertWhole(f.captions.slice(then.length), ["And who built it?"]);
      assert.deepEqual(f.captions.slice(0, then.length), then);
      await end(page);
      await page.reload();
      assert.equal((await facts(page)).title, "Press to talk", "what has ended is not offered");
    }));

  it("may begin a new conversation instead", { timeout: 60_000 }, () =>
    here.onPage(async (page) => {
      await start(page);
      const id = await sessionOf(page);
      await page.reload();
      await until(page, "the offer", (f) => f.title === "Welcome back");
      await press(page, "Start a new one");
      await until(page, "the conversation", (f) => f.status === "listening");
      assert.notEqual(await sessionOf(page), id);
      await end(page);
    }));

  it("says so when the server has let the conversation go", { timeout: 60_000 }, async () => {
    const forgetful = await startStonepot({ STONEPOT_RESUME_WINDOW: "1s" });
    try {
      await here.onPage(
        async (page) => {
          await start(page);
          await page.reload();
          await until(page, "the offer", (f) => f.title === "Welcome back");
          for (const deadline = Date.now() + 10_000; !/session ended.*browser_gone/.test(forgetful.log()); ) {
            assert.ok(Date.now() < deadline, forgetful.log());
            await new Promise((done) => setTimeout(done, 50));
          }
          await press(page, "Continue conversation");
          await until(page, "the end", (f) => f.problem === "session_not_found");
          await accessible(page, "let go");
          await press(page, "Start talking");
          await until(page, "a new conversation", (f) => f.status === "listening");
          await end(page);
        },
        { url: forgetful.url },
      );
    } finally {
      assert.equal(await forgetful.stop(), 0);
    }
  });
});

describe("two tabs with one conversation", () => {
  it("the newer one has it, and the older one can take it back", { timeout: 90_000 }, () =>
    here.onPage(async (page) => {
      await start(page);
      await muted(page);
      const id = await sessionOf(page);
      // A tab that is duplicated takes a copy of the tab's storage along, as does one that is opened by a page.
      const [other] = await Promise.all([page.context().waitForEvent("page"), page.evaluate("void open(location.href)")]);
      await until(other, "the offer", (f) => f.title === "Welcome back");
      await press(other, "Continue conversation");
      await until(other, "the conversation", (f) => f.status === "listening");
      assert.equal(await sessionOf(other), id);
      await until(page, "the word that it moved", (f) => f.problem === "replaced");
      await page.bringToFront();
      await accessible(page, "replaced");
      await press(page, "Take it back here");
      await until(page, "the conversation again", (f) => f.status === "listening");
      await until(other, "the word that it moved", (f) => f.problem === "replaced");
      assert.equal(await sessionOf(page), id);
      await end(page);
    }));
});

describe("a server that is replaced", () => {
  const env = { STONEPOT_RESUME_KEYS: randomBytes(32).toString("base64") };

  /**
   * @typedef {(signal: NodeJS.Signals, options?: { forgetful?: boolean }) => Promise<void>} Replace whose model is `forgetful` knows no handle
   * @param {(page: Page, replace: Replace, heard: ReturnType<typeof listen>) => Promise<void>} story
   */
  async function onReplaced(story) {
    let model = await startSimulator();
    let current = await startStonepot({ ...env, ...model.env });
    const { url, port } = current;
    /** @type {Replace} */
    const replace = async (signal, { forgetful = false } = {}) => {
      current.kill(signal);
      const code = await current.stop();
      if (signal === "SIGTERM") assert.equal(code, 0, current.log());
      if (forgetful) {
        await model.stop();
        model = await startSimulator();
      }
      current = await startStonepot({ ...env, ...model.env }, "", port);
    };
    try {
      await here.onPage((page) => story(page, replace, listen(page)), { url, expectErrors: true });
    } finally {
      assert.equal(await current.stop(), 0, current.log());
      await model.stop();
    }
  }

  it("by a restart between two questions: the conversation goes on", { timeout: 90_000 }, () =>
    onReplaced(async (page, replace) => {
      await start(page);
      await muted(page);
      const id = await sessionOf(page);
      const before = (await facts(page)).captions.length;
      /** @param {string} words */
      const ask = async (words) => {
        const { captions } = await facts(page);
        await write(page, words);
        await until(page, `the answer to "${words}"`, (f) => {
          goesOn(f);
          return f.captions.length >= captions.length + 2 && f.captions.at(-1)?.text.endsWith('".') === true && f.status === "listening";
        }, 40_000);
      };
      await ask("How old is the bridge?");
      await replace("SIGTERM");
      const f = await until(page, "the next server", (x) => x.resumed > 0);
      goesOn(f);
      await ask("Who built it, and of which stone?");
      assert.equal(await sessionOf(page), id);
      assertWhole((await facts(page)).captions.slice(before), ["How old is the bridge?", "Who built it, and of which stone?"]);
      await end(page);
    }));

  it("by one whose model has forgotten the conversation: a quiet line says so where it happened, and to a screen reader", { timeout: 90_000 }, () =>
    onReplaced(async (page, replace) => {
      await start(page);
      await muted(page);
      await write(page, "How old is the bridge?");
      const answered = (/** @type {import("./page.mjs").Facts} */ f) => f.captions.at(-1)?.text.endsWith('".') === true && f.status === "listening";
      const before = await until(page, "the answer", answered, 40_000);
      await replace("SIGTERM", { forgetful: true });
      const line = "The model no longer remembers what was said before.";
      await until(page, "the line", (f) => f.captions.at(-1)?.text === line);
      assert.equal(await page.locator("[role=status][data-happened]").textContent(), line);
      assert.equal(await page.locator("[data-notice]").count(), 0, "nothing louder");
      await accessible(page, "a conversation that was forgotten");
      await write(page, "Which bridge?");
      const { captions } = await until(page, "the next answer", (f) => f.captions.length > before.captions.length + 2 && answered(f), 40_000);
      assert.deepEqual(captions.slice(before.captions.length).map((c) => c.who), ["notice", "person", "model"]);
      await end(page);
    }));

  it("because it died in the middle of an answer, which is spoken anew", { timeout: 90_000 }, () =>
    onReplaced(async (page, replace, heard) => {
      await start(page);
      await muted(page);
      const before = (await facts(page)).captions.length;
      await write(page, question);
      await until(page, "an answer that sounds", (f) => speaks(f) && f.captions.length >= before + 2);
      await replace("SIGKILL");
      const f = await until(page, "the whole answer", (x) => {
        goesOn(x);
        return x.resumed > 0 && x.captions.at(-1)?.text.endsWith('".') === true && x.status === "listening";
      }, 60_000);
      assert.ok(heard.messages.some((m) => m.type === "turn_restarted"), "it was told");
      assertWhole(f.captions.slice(before), [question]);
      await end(page);
    }));
});

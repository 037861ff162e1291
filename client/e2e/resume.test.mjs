// Conversations that go on: lines that break, pages that are reloaded, tabs that take over, servers that are replaced.
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { after, before, describe, it } from "node:test";
import { launchChromium, onPage } from "./chromium.mjs";
import { startFaultProxy } from "./fault-proxy.mjs";
import { accessible, facts, press, until, write } from "./page.mjs";
import { startSimulator, startStonepot } from "./stonepot.mjs";
import { answered, end, muted, start } from "./stories.mjs";

/** @typedef {import("playwright-core").Page} Page */

const question = "Please tell me a long story about a stone bridge, an old miller and the river below them.";

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
  const code = await server?.stop();
  if (server) assert.equal(code, 0, `stonepot ends cleanly:\n${server.log()}`);
});

/**
 * A story on a page whose line can break.
 * @param {(page: Page, proxy: import("./fault-proxy.mjs").FaultProxy) => Promise<void>} story
 */
async function onBadLine(story) {
  const proxy = await startFaultProxy(server.port);
  try {
    // The browser's console names every line that broke.
    await onPage((page) => story(page, proxy), { from: browser, url: `http://127.0.0.1:${proxy.port}`, expectErrors: true });
  } finally {
    await proxy.close();
  }
}

/**
 * What comes over the page's sockets from now on.
 * @param {Page} page
 */
function listen(page) {
  const heard = { audioBytes: 0, messages: /** @type {any[]} */ ([]) };
  /** @param {import("playwright-core").WebSocket} socket */
  const attend = (socket) => {
    socket.on("framereceived", ({ payload }) => {
      if (typeof payload === "string") heard.messages.push(JSON.parse(payload));
      else heard.audioBytes += payload.length;
    });
  };
  page.on("websocket", attend);
  return heard;
}

/** Of speech at 24 kHz. */
const bytesPerMs = 48;

/**
 * Each question stands there once, and each answer once and whole.
 * @param {import("./page.mjs").Facts["captions"]} captions
 * @param {string[]} questions
 */
function assertWhole(captions, questions) {
  assert.deepEqual(captions.map((c) => c.who), questions.flatMap(() => ["person", "model"]), JSON.stringify(captions));
  questions.forEach((words, i) => {
    assert.equal(captions[2 * i]?.text, words);
    const answer = captions[2 * i + 1];
    assert.match(answer?.text ?? "", /^Simulated answer \d+: .*"\.$/);
    assert.equal(answer?.text.split(words).length, 2, `the answer is written once: ${answer?.text}`);
    assert.equal(answer?.interrupted, false);
  });
}

/** @param {import("./page.mjs").Facts} f */
const speaks = (f) => f.status === "speaking" && f.levelSpeech > 0.01;

/** @param {import("./page.mjs").Facts} f */
const goesOn = (f) => assert.ok(!["failed", "ended", "idle"].includes(f.status) && f.problem === "", `the conversation goes on (${f.status}, ${f.problem})`);

describe("a line that breaks", () => {
  it("in the middle of an answer, again and again, costs not one sample of it", { timeout: 90_000 }, () =>
    onBadLine(async (page, proxy) => {
      const heard = listen(page);
      await start(page);
      await muted(page);
      const before = { bytes: heard.audioBytes, ...(await facts(page)) };
      await write(page, question);
      for (const bytes of [1, 10_001, 50_002]) {
        const { resumed } = await until(page, "an answer that sounds", speaks);
        proxy.cutAfter("down", bytes);
        await until(page, "another line", (f) => f.resumed > resumed);
      }
      const f = await until(page, "the end of the answer", (x) => {
        goesOn(x);
        return x.status === "listening" && x.queuedMs === 0 && x.playedMs > before.playedMs;
      }, 60_000);
      const { turn } = heard.messages.findLast((m) => m.type === "turn_complete");
      assert.equal(turn.interrupted, false);
      assert.equal(Math.round((heard.audioBytes - before.bytes) / bytesPerMs), turn.audioMs, "all of the answer came, once");
      assert.equal(f.playedMs - before.playedMs, turn.audioMs, "and was played");
      assertWhole(f.captions.slice(before.captions.length), [question]);
      await end(page);
    }));

  it("in the middle of what the person says loses nothing of it, and is shown when it takes long", { timeout: 90_000 }, () =>
    onBadLine(async (page, proxy) => {
      await start(page);
      await answered(page);
      // The simulator writes down how long each sentence was. The recording has two, again and again.
      const seconds = (/** @type {import("./page.mjs").Facts} */ f) =>
        f.captions.filter((c) => c.who === "person").map((c) => Number(/heard ([\d.]+) s/.exec(c.text)?.[1]));
      const two = seconds(await until(page, "both sentences", (f) => seconds(f).length === 2 && speaks(f)));
      await until(page, "silence", (f) => f.levelMicrophone < 0.005);
      await until(page, "the first sentence again", (f) => f.levelMicrophone > 0.05);
      proxy.accept(false);
      proxy.cut();
      await until(page, "the word that it reconnects", (f) => f.notice === "resuming");
      await accessible(page, "reconnecting");
      proxy.accept(true);
      goesOn(await until(page, "the line", (f) => f.resumed > 0 && f.notice === ""));
      const f = await until(page, "what was heard of it, and an answer", (x) => seconds(x).length === 3 && speaks(x), 30_000);
      assert.ok(Math.abs(Number(seconds(f)[2]) - Number(two[0])) < 0.15, `all of it was heard: ${seconds(f)} s`);
      assert.equal(f.dropped, 0);
      await end(page);
    }));

  it("for good is told after a while that is not endless, and the conversation can still be taken up", { timeout: 90_000 }, () =>
    onBadLine(async (page, proxy) => {
      await start(page);
      await muted(page);
      await page.reload();
      await page.getByText("Welcome back").waitFor();
      proxy.accept(false);
      proxy.cut();
      await press(page, "Continue conversation");
      await until(page, "the end of all tries", (f) => f.problem === "out_of_reach", 40_000);
      await accessible(page, "out of reach");
      proxy.accept(true);
      await press(page, "Continue conversation");
      await until(page, "the conversation", (f) => f.status === "listening");
      await end(page);
    }));
});

describe("a page that is reloaded", () => {
  it("goes on with the conversation, its text and its session", { timeout: 90_000 }, () =>
    onPage(
      async (page) => {
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
      },
      { from: browser, url: server.url },
    ));

  it("may begin a new conversation instead", { timeout: 60_000 }, () =>
    onPage(
      async (page) => {
        await start(page);
        const id = await sessionOf(page);
        await page.reload();
        await until(page, "the offer", (f) => f.title === "Welcome back");
        await press(page, "Start a new one");
        await until(page, "the conversation", (f) => f.status === "listening");
        assert.notEqual(await sessionOf(page), id);
        await end(page);
      },
      { from: browser, url: server.url },
    ));

  it("says so when the server has let the conversation go", { timeout: 60_000 }, async () => {
    const forgetful = await startStonepot({ STONEPOT_RESUME_WINDOW: "1s" });
    try {
      await onPage(
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
        { from: browser, url: forgetful.url },
      );
    } finally {
      assert.equal(await forgetful.stop(), 0);
    }
  });
});

describe("two tabs with one conversation", () => {
  it("the newer one has it, and the older one can take it back", { timeout: 90_000 }, () =>
    onPage(
      async (page) => {
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
      },
      { from: browser, url: server.url },
    ));
});

describe("a server that is replaced", () => {
  const env = { STONEPOT_RESUME_KEYS: randomBytes(32).toString("base64") };

  /**
   * @param {(page: Page, replace: (signal: NodeJS.Signals) => Promise<void>, heard: ReturnType<typeof listen>) => Promise<void>} story
   */
  async function onReplaced(story) {
    const model = await startSimulator();
    let current = await startStonepot({ ...env, ...model.env });
    const { url, port } = current;
    /** @param {NodeJS.Signals} signal */
    const replace = async (signal) => {
      current.kill(signal);
      const code = await current.stop();
      if (signal === "SIGTERM") assert.equal(code, 0, current.log());
      current = await startStonepot({ ...env, ...model.env }, "", port);
    };
    try {
      await onPage((page) => story(page, replace, listen(page)), { from: browser, url, expectErrors: true });
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

/**
 * The session's id, from the details.
 * @param {Page} page
 */
async function sessionOf(page) {
  const details = page.getByText("Details");
  await details.click();
  const id = await page.locator("[data-fact=Session]").textContent();
  await details.click();
  return id;
}

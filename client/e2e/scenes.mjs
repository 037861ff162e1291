// What screenshots.mjs takes pictures of. A scene comes by its states as a person would, and shares a conversation among them where it can.
import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { startFaultProxy } from "./fault-proxy.mjs";
import { press, until, write } from "./page.mjs";
import { startStonepot } from "./stonepot.mjs";
import { end, start } from "./stories.mjs";

/**
 * @typedef {import("playwright-core").Page} Page
 * @typedef {import("./page.mjs").Facts} Facts
 * @typedef {object} Set
 * @property {import("./stonepot.mjs").Server} server
 * @property {string} operatorKey
 * @property {(url: string, options?: { microphone?: boolean, serviceWorkers?: "allow" | "block" }) => Promise<Page>} open
 * @property {(page: Page, name: string, options?: { wanted?: (facts: Facts) => boolean, fullPage?: boolean }) => Promise<void>} shoot
 */

/** The codes that the page has words for. */
const codes = [...readFileSync(new URL("../src/voice/problem.ts", import.meta.url), "utf8").matchAll(/^ {2}(\w+): \{$/gm)].map(([, code]) => code);

/** @type {Record<string, { tight?: boolean, play: (set: Set) => Promise<void> }>} */
export const scenes = {
  talk: { tight: true, play: talk },
  settings: { play: settings },
  pushToTalk: { play: pushToTalk },
  sharing: { tight: true, play: sharing },
  writing: { tight: true, play: writing },
  problems: { play: problems },
  moving: { play: moving },
  forgotten: { tight: true, play: forgotten },
  operator: { play: operator },
  others: { play: others },
};

/** @param {Page} page */
const idle = (page) => page.getByText("Simulated model.").waitFor();

/** @param {Page} page */
const quiet = (page) => until(page, "quiet", (f) => f.status === "listening" && f.queuedMs === 0, 30_000);

/** @param {Set} set */
async function talk({ server, open, shoot }) {
  const page = await open(server.url);
  await idle(page);
  await shoot(page, "talk-1-idle");
  /** @type {() => void} */
  let answer = () => undefined;
  await page.route("**/api/session/create", async (route) => {
    await new Promise((done) => (answer = () => done(undefined)));
    await route.continue();
  });
  await press(page, "Start talking");
  await shoot(page, "talk-2-connecting", { wanted: (f) => f.status === "connecting" });
  answer();
  await shoot(page, "talk-3-listening", { wanted: (f) => f.status === "listening" && f.levelMicrophone > 0.05 });
  await shoot(page, "talk-4-thinking", { wanted: (f) => f.status === "thinking" });
  // There is something to read by then. `make screenshots` shows this picture in the README.
  await shoot(page, "talk-5-speaking", {
    wanted: (f) => f.status === "speaking" && f.levelSpeech > 0.04 && f.captions.length >= 4 && f.captions.at(-1)?.who === "model" && (f.captions.at(-1)?.text.length ?? 0) > 30,
  });
  await shoot(page, "talk-6-interrupted", { wanted: (f) => f.status === "interrupted" });
  await press(page, "Mute");
  await quiet(page);
  await page.getByText("Details").click();
  await shoot(page, "talk-7-muted-details");
  await page.getByText("Details").click();
  // Low windows have no room for it.
  const save = page.getByText("Save", { exact: true });
  if (await save.isVisible()) {
    await save.click();
    await shoot(page, "talk-8-captions-menu");
    await page.keyboard.press("Escape");
  }
  await end(page);
  await shoot(page, "talk-9-ended");
}

/** @param {Set} set */
async function settings({ open, shoot }) {
  const server = await startStonepot({}, "assistants:\n  - {name: default, label: Assistant, voice: Kore}\n  - {name: tutor, label: Tutor, voice: Puck}\n");
  try {
    const page = await open(server.url);
    await idle(page);
    await press(page, "Settings");
    await page.getByLabel("Voice").selectOption("Zephyr");
    await press(page, "Play a sample");
    await page.getByText("without a key every voice is made of these tones").waitFor();
    await shoot(page, "settings-1-conversation");
    await page.getByRole("heading", { name: "Speaking" }).evaluate((h) => h.scrollIntoView());
    await shoot(page, "settings-2-speaking");
    await press(page, "Test the microphone");
    await page.getByRole("meter").waitFor();
    await page.getByRole("meter").scrollIntoViewIfNeeded();
    await shoot(page, "settings-3-devices-tested");
    await press(page, "Stop the test");
    await page.getByLabel("Theme").scrollIntoViewIfNeeded();
    await shoot(page, "settings-4-page");
    await page.getByRole("button", { name: "Done", exact: true }).click();
    await start(page);
    await press(page, "Settings");
    await page.getByLabel("Assistant").selectOption("Tutor");
    await page.getByLabel("Voice").selectOption("Puck");
    await shoot(page, "settings-5-in-conversation");
    await page.getByRole("switch", { name: "Captions" }).uncheck();
    await page.getByRole("button", { name: "Done", exact: true }).click();
    await shoot(page, "settings-6-without-captions");
    await end(page);
  } finally {
    await server.stop();
  }
}

/** @param {Set} set */
async function pushToTalk({ server, open, shoot }) {
  const page = await open(server.url);
  await idle(page);
  await press(page, "Settings");
  await page.getByText("Push to talk", { exact: true }).click();
  await page.getByRole("button", { name: "Done", exact: true }).click();
  await start(page);
  await shoot(page, "push-to-talk-1-waiting");
  // The focus may be at a control that takes the space bar for itself.
  await page.evaluate("document.activeElement?.blur()");
  await page.keyboard.down("Space");
  await shoot(page, "push-to-talk-2-held", { wanted: (f) => f.talking && f.levelMicrophone > 0.02 });
  await page.keyboard.up("Space");
  await shoot(page, "push-to-talk-3-answer", { wanted: (f) => f.status === "speaking" });
  await end(page);
}

/** @param {Set} set */
async function sharing({ server, open, shoot }) {
  const page = await open(server.url);
  await start(page);
  await press(page, "Camera");
  await page.locator("[data-sharing=camera]").waitFor();
  await shoot(page, "sharing-1-camera", { wanted: (f) => f.captions.length >= 2 });
  await press(page, "Pause what the model sees");
  await page.locator("[data-paused=person]").waitFor();
  await shoot(page, "sharing-2-paused");
  await press(page, "Screen");
  await page.locator("[data-sharing=screen]").waitFor();
  await shoot(page, "sharing-3-screen");
  await end(page);
}

/** A conversation without a microphone. @param {Set} set */
async function writing({ server, open, shoot }) {
  const page = await open(server.url, { microphone: false });
  await press(page, "Start talking");
  await until(page, "the refusal", (f) => f.problem !== "");
  await shoot(page, "writing-1-refused");
  await press(page, "Type instead");
  await until(page, "a conversation in writing", (f) => f.status === "listening");
  await shoot(page, "writing-2-ready");
  await press(page, "Camera");
  await page.locator("[data-sharing-problem]").waitFor();
  await shoot(page, "writing-3-camera-refused");
  await press(page, "Close");
  for (const text of ["How old is the bridge over the river?", `It is this one: https://example.org/${"bridges/".repeat(14)} `, "What is it made of? ".repeat(12)]) {
    await write(page, text);
    await until(page, "an answer", (f) => f.status === "speaking" && f.captions.at(-1)?.who === "model");
  }
  await shoot(page, "writing-4-long-words");
  await page.getByRole("log").evaluate((log) => (log.scrollTop = 0));
  const newest = page.getByRole("button", { name: "To the newest" });
  await newest.waitFor({ timeout: 2000 }).catch(() => undefined);
  if (await newest.isVisible()) await shoot(page, "writing-5-scrolled-up");
  await end(page);
}

/** Each problem's card, as the server's refusal; how each comes about is told in the stories. @param {Set} set */
async function problems({ server, open, shoot }) {
  const page = await open(server.url);
  for (const code of codes) {
    await page.route("**/api/session/create", (route) =>
      route.fulfill({ status: 503, headers: code === "at_capacity" ? { "Retry-After": "25" } : {}, json: { success: false, code, error: "The server's own sentence, where it has one to tell." } }),
    );
    await press(page, "Start talking");
    await until(page, String(code), (f) => f.problem === code);
    await shoot(page, `problem-${code}`);
    await page.unroute("**/api/session/create");
  }
  await page.getByText("For a report").click();
  await shoot(page, "problem-report");

  // A conversation whose end is near.
  const brief = await startStonepot({}, "limits:\n  max_duration: 40s\n  expiry_notice: 39s\n");
  try {
    await page.goto(brief.url);
    await start(page);
    await shoot(page, "problem-expiring", { wanted: (f) => f.notice === "expiring" && f.captions.length > 0 });
  } finally {
    await brief.stop();
  }
}

/** A line that breaks, a page that is reloaded, another tab that takes the conversation over. @param {Set} set */
async function moving({ server, open, shoot }) {
  const proxy = await startFaultProxy(server.port);
  try {
    const page = await open(`http://127.0.0.1:${proxy.port}`);
    await start(page);
    await until(page, "words", (f) => f.captions.length >= 2, 40_000);
    proxy.accept(false);
    proxy.cut();
    await until(page, "the word that it reconnects", (f) => f.notice === "resuming");
    await page.locator("[data-quality]").waitFor();
    await shoot(page, "moving-1-reconnecting");
    proxy.accept(true);
    await until(page, "the line", (f) => f.notice === "");
    await page.reload();
    await idle(page);
    await until(page, "the offer", (f) => f.title === "Welcome back");
    await shoot(page, "moving-2-welcome-back");
    await press(page, "Continue conversation");
    await until(page, "the conversation", (f) => f.status !== "connecting" && f.status !== "idle");
    const [twin] = await Promise.all([page.context().waitForEvent("page"), page.evaluate("void open(location.href)")]);
    await until(twin, "the offer", (f) => f.title === "Welcome back");
    await press(twin, "Continue conversation");
    await until(page, "the word that it moved", (f) => f.problem === "replaced");
    await page.bringToFront();
    await shoot(page, "moving-3-replaced");
    await twin.bringToFront();
    await end(twin);
  } finally {
    await proxy.close();
  }
}

/** The server is replaced, and the model of the next one knows nothing of the conversation. @param {Set} set */
async function forgotten({ open, shoot }) {
  const env = { STONEPOT_RESUME_KEYS: randomBytes(32).toString("base64") };
  let server = await startStonepot(env);
  try {
    const page = await open(server.url);
    await start(page);
    await press(page, "Mute");
    await write(page, "How old is the bridge?");
    await until(page, "the answer", (f) => f.captions.at(-1)?.text.endsWith('".') === true && f.status === "listening", 40_000);
    await server.stop();
    server = await startStonepot(env, "", server.port);
    await page.locator("[data-who=notice]").waitFor();
    await shoot(page, "forgotten-1-line");
    await write(page, "Which bridge?");
    await until(page, "the next answer", (f) => f.captions.at(-1)?.text.endsWith('".') === true && f.status === "listening", 40_000);
    await shoot(page, "forgotten-2-goes-on");
    await end(page);
  } finally {
    await server.stop();
  }
}

/** The operator's page, and the inspector of a conversation that it shows. @param {Set} set */
async function operator({ server, operatorKey, open, shoot }) {
  const ops = await open(`${server.url}/ops/`);
  await ops.locator("[data-ops=keyWanted]").waitFor();
  await shoot(ops, "operator-1-key");
  await ops.getByLabel("Key").fill("another key");
  await ops.keyboard.press("Enter");
  await ops.getByText("This key was not accepted").waitFor();
  await shoot(ops, "operator-2-wrong-key");
  await ops.getByLabel("Key").fill(operatorKey);
  await ops.keyboard.press("Enter");
  await ops.locator("[data-ops=live]").waitFor();
  const debug = await open(`${server.url}/?debug`);
  await start(debug);
  await until(debug, "a second answer", (f) => f.captions.length >= 4, 40_000);
  await debug.locator("[data-inspector]").scrollIntoViewIfNeeded();
  await shoot(debug, "inspector");
  await ops.locator("[data-session]").last().waitFor();
  await ops.locator('path[data-line=started][d*="L"]').waitFor({ state: "attached" });
  await shoot(ops, "operator-3-figures", { fullPage: true });
  await ops.locator("[data-session]").last().getByRole("button").click();
  await shoot(ops, "operator-4-question");
  await ops.getByRole("button", { name: "End it" }).click();
  await until(debug, "the end", (f) => f.problem === "ended_by_operator");
  await ops.getByText(/was ended\.$/).waitFor();
  await ops.evaluate("scrollTo(0, 0)");
  await shoot(ops, "operator-5-ended");
  await ops.route("**/api/**", (route) => route.abort());
  await ops.locator("[data-trouble]").waitFor();
  await shoot(ops, "operator-6-out-of-reach");
}

/** @param {Set} set */
async function others({ server, open, shoot }) {
  const page = await open(`${server.url}/no/such/page/`);
  await shoot(page, "other-not-found");
  const kept = await open(server.url, { serviceWorkers: "allow" });
  await idle(kept);
  await kept.evaluate("navigator.serviceWorker.ready.then(() => navigator.serviceWorker.controller ?? new Promise((done) => navigator.serviceWorker.addEventListener('controllerchange', done)))");
  await kept.context().setOffline(true);
  await kept.reload();
  await kept.getByRole("heading", { name: "No connection" }).waitFor();
  await shoot(kept, "other-offline");
}

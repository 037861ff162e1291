// Takes pictures of the page in its states: npm run screenshots -- <folder>
import { mkdir } from "node:fs/promises";
import { join, resolve } from "node:path";
import { launchChromium } from "./chromium.mjs";
import { startFaultProxy } from "./fault-proxy.mjs";
import { press, until, write } from "./page.mjs";
import { startStonepot } from "./stonepot.mjs";
import { end, start } from "./stories.mjs";

const folder = process.argv[2];
if (!folder) throw new Error("Say where the pictures go: npm run screenshots -- <folder>");
const target = resolve(folder);
await mkdir(target, { recursive: true });

const server = await startStonepot();
const locked = await startStonepot({ STONEPOT_OPERATOR_KEY: "a key that nobody has" });
const proxy = await startFaultProxy(server.port);
const [speaks, refused] = await Promise.all([launchChromium(), launchChromium({ microphone: "refused" })]);
try {
  for (const viewport of [
    { width: 390, height: 844 },
    { width: 1440, height: 900 },
  ]) {
    for (const colorScheme of /** @type {const} */ (["light", "dark"])) {
      /** @param {import("playwright-core").Page} page @param {string} name */
      const shoot = (page, name) =>
        page.screenshot({ path: join(target, `${viewport.width}-${colorScheme}-${name}.png`), animations: "disabled" });

      const page = await speaks.newPage({ viewport, colorScheme });
      await page.goto(server.url);
      await page.getByText("Simulated model.").waitFor();
      await shoot(page, "1-idle");
      await start(page);
      await until(page, "loud speech of the person", (f) => f.status === "listening" && f.levelMicrophone > 0.05);
      await shoot(page, "2-listening");
      // The second answer: there is something to read by then. `make screenshots` shows this picture in the README.
      await until(
        page,
        "a loud second answer",
        (f) => f.status === "speaking" && f.levelSpeech > 0.05 && f.captions.length === 4 && (f.captions[3]?.text.length ?? 0) > 30,
        40_000,
      );
      await shoot(page, "3-speaking");
      await until(page, "an interruption", (f) => f.status === "interrupted", 30_000);
      await shoot(page, "4-interrupted");
      await press(page, "Mute");
      await until(page, "quiet", (f) => f.status === "listening" && f.queuedMs === 0, 30_000);
      await page.getByText("Details").click();
      await shoot(page, "5-muted-details");
      await page.getByText("Details").click();
      await write(page, "How old is the bridge over the river?");
      await until(page, "thinking", (f) => f.status === "thinking");
      await shoot(page, "6-thinking");
      await until(page, "the answer to the text", (f) => f.status === "speaking" && f.captions.at(-1)?.who === "model" && f.levelSpeech > 0.02, 30_000);
      await shoot(page, "7-text-answer");
      await end(page);
      await shoot(page, "8-ended");
      await page.goto(`${server.url}/no/such/page/`);
      await shoot(page, "9-not-found");
      await page.close();

      const other = await refused.newPage({ viewport, colorScheme });
      await other.goto(server.url);
      await press(other, "Start talking");
      await until(other, "the refusal", (f) => f.problem !== "");
      await shoot(other, "a-refused");
      await other.close();

      // The operator's page with somebody who talks, its question, and a key that is wanted.
      const ops = await speaks.newPage({ viewport, colorScheme });
      await ops.goto(`${server.url}/ops/`);
      const debug = await speaks.newPage({ viewport, colorScheme });
      await debug.goto(`${server.url}/?debug`);
      await start(debug);
      await until(debug, "a loud second answer", (f) => f.status === "speaking" && f.levelSpeech > 0.05 && f.captions.length >= 4, 40_000);
      await debug.locator("[data-inspector]").scrollIntoViewIfNeeded();
      await shoot(debug, "e-inspector");
      // Sessions that an earlier picture left behind may be listed above.
      await ops.locator("[data-session]").last().waitFor();
      await ops.locator('path[data-line=started][d*="L"]').waitFor({ state: "attached" });
      await ops.screenshot({ path: join(target, `${viewport.width}-${colorScheme}-f-operator.png`), animations: "disabled", fullPage: true });
      await ops.locator("[data-session]").last().getByRole("button").click();
      await shoot(ops, "g-operator-end");
      await ops.keyboard.press("Escape");
      await end(debug);
      await debug.close();
      await ops.goto(`${locked.url}/ops/`);
      await ops.locator("[data-ops=keyWanted]").waitFor();
      await shoot(ops, "h-operator-key");
      await ops.close();

      // A line that breaks, a page that is reloaded, and another tab that takes the conversation over.
      const moving = await speaks.newPage({ viewport, colorScheme });
      await moving.goto(`http://127.0.0.1:${proxy.port}`);
      await start(moving);
      await until(moving, "a loud answer", (f) => f.status === "speaking" && f.levelSpeech > 0.05 && f.captions.length >= 2, 40_000);
      proxy.accept(false);
      proxy.cut();
      await until(moving, "the word that it reconnects", (f) => f.notice === "resuming");
      await shoot(moving, "b-reconnecting");
      proxy.accept(true);
      await until(moving, "the line", (f) => f.notice === "");
      await moving.reload();
      await moving.getByText("Simulated model.").waitFor();
      await until(moving, "the offer", (f) => f.title === "Welcome back");
      await shoot(moving, "c-welcome-back");
      await press(moving, "Continue conversation");
      await until(moving, "the conversation", (f) => f.status !== "connecting");
      const [twin] = await Promise.all([moving.context().waitForEvent("page"), moving.evaluate("void open(location.href)")]);
      await until(twin, "the offer", (f) => f.title === "Welcome back");
      await press(twin, "Continue conversation");
      await until(moving, "the word that it moved", (f) => f.problem === "replaced");
      await moving.bringToFront();
      await shoot(moving, "d-replaced");
      await twin.close();
      await moving.close();
    }
  }
} finally {
  await Promise.all([speaks.close(), refused.close()]);
  await proxy.close();
  await Promise.all([server.stop(), locked.stop()]);
}
console.log(`Pictures are in ${target}.`);

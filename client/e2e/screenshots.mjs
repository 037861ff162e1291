// Takes pictures of the page in its states: npm run screenshots -- <folder>
import { mkdir } from "node:fs/promises";
import { join, resolve } from "node:path";
import { launchChromium } from "./chromium.mjs";
import { press, until, write } from "./page.mjs";
import { startStonepot } from "./stonepot.mjs";
import { end, start } from "./stories.mjs";

const folder = process.argv[2];
if (!folder) throw new Error("Say where the pictures go: npm run screenshots -- <folder>");
const target = resolve(folder);
await mkdir(target, { recursive: true });

const server = await startStonepot();
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
    }
  }
} finally {
  await Promise.all([speaks.close(), refused.close()]);
  await server.stop();
}
console.log(`Pictures are in ${target}.`);

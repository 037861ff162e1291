// Firefox with a microphone made of PulseAudio: Firefox has no pretended device that plays a recording, and
// Playwright does not drive a distribution's Firefox. Puppeteer does, over WebDriver BiDi.
import { execFile, spawn } from "node:child_process";
import { mkdir, mkdtemp, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import puppeteer from "puppeteer-core";
import { recording } from "../chromium.mjs";
import { find, findFirefox } from "../find.mjs";

const run = promisify(execFile);

/**
 * A sound server of its own: what is played to `micsink` is what the microphone `mic` hears; the speaker `spk` leads nowhere.
 * It is one process in the foreground, so that whoever started it ends it and nothing else.
 */
async function startSound() {
  const pulseaudio = find("pulseaudio", "pulseaudio");
  const paplay = find("paplay", "pulseaudio-utils");
  const pactl = find("pactl", "pulseaudio-utils");
  const home = await mkdtemp(join(tmpdir(), "stonepot-sound-"));
  const runtime = join(home, "run");
  await mkdir(runtime, { mode: 0o700 });
  const env = {
    PATH: process.env.PATH ?? "",
    HOME: home,
    XDG_RUNTIME_DIR: runtime,
    PULSE_SERVER: `unix:${runtime}/pulse/native`,
    PULSE_SOURCE: "mic",
    PULSE_SINK: "spk",
  };
  const modules = [
    "module-native-protocol-unix",
    "module-null-sink sink_name=spk",
    "module-null-sink sink_name=micsink",
    "module-remap-source source_name=mic master=micsink.monitor",
  ];
  const server = spawn(
    pulseaudio,
    ["-n", "--daemonize=no", "--exit-idle-time=-1", "--log-target=stderr", ...modules.flatMap((m) => ["-L", m])],
    { env, stdio: ["ignore", "ignore", "pipe"] },
  );
  let log = "";
  server.stderr.on("data", (data) => (log += data));
  const exit = new Promise((done) => server.on("exit", done));

  const deadline = Date.now() + 10_000;
  for (;;) {
    const answers = await stat(join(runtime, "pulse", "native")).then(
      () => run(pactl, ["set-default-source", "mic"], { env }).then(() => true),
      () => false,
    );
    if (answers) break;
    if (server.exitCode !== null || Date.now() > deadline) throw new Error(`PulseAudio did not start:\n${log}`);
    await new Promise((done) => setTimeout(done, 100));
  }
  await run(pactl, ["set-default-sink", "spk"], { env });

  /** @type {import("node:child_process").ChildProcess | undefined} */
  let speech;
  let speaking = true;
  const speak = () => {
    if (!speaking) return;
    speech = spawn(paplay, ["--device=micsink", recording], { env, stdio: "ignore" });
    // Again and again, as Chromium plays it.
    speech.on("exit", speak);
  };
  return {
    env,
    speak,
    async stop() {
      speaking = false;
      speech?.kill();
      server.kill();
      await exit;
      await rm(home, { recursive: true, force: true });
    },
  };
}

/** Starts Firefox and the sound that it needs; `speak` begins the recording at its microphone. */
export async function launchFirefox() {
  const executablePath = findFirefox();
  const sound = await startSound();
  try {
    const browser = await puppeteer.launch({
      browser: "firefox",
      executablePath,
      headless: true,
      env: sound.env,
      extraPrefsFirefox: {
        // Nobody is there to answer the question for the microphone.
        "media.navigator.permission.disabled": true,
        "media.autoplay.default": 0,
      },
    });
    return {
      browser,
      speak: sound.speak,
      async close() {
        await browser.close();
        await sound.stop();
      },
    };
  } catch (error) {
    await sound.stop();
    throw error;
  }
}

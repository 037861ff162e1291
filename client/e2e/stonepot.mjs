// Starts the built binary as a person would, with no key: the simulator answers.
import { spawn } from "node:child_process";
import { access, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

const startTimeoutMs = 20_000;
const stopTimeoutMs = 15_000;

/**
 * @typedef {object} Server
 * @property {string} url      address of the page, without a slash at the end
 * @property {number} port
 * @property {() => string} log    what it has printed so far
 * @property {(signal?: NodeJS.Signals) => void} kill    sends a signal and does not wait
 * @property {() => Promise<number | null>} stop    SIGTERM, unless a signal was sent, waits, gives the exit code
 */

/**
 * @param {Record<string, string>} [env] settings beyond the defaults
 * @param {string} [config] its config.yaml, where settings have no name in the environment
 * @param {number} [port] any free one, if it is not given: the system chooses, so that files of tests can run side by side
 * @returns {Promise<Server>}
 */
export function startStonepot(env = {}, config = "", port = 0) {
  return launch([], env, config, port);
}

/**
 * Starts the simulator alone: it outlives the servers that are pointed at it, as the real model does.
 * @param {string} [config]
 * @returns {Promise<Server & { env: Record<string, string> }>} env: what points a server at it
 */
export async function startSimulator(config = "") {
  const simulator = await launch(["simulator", "--host", "127.0.0.1", "--port", "0"], {}, config, 0);
  return { ...simulator, env: { STONEPOT_GEMINI_BASE_URL: simulator.url, GOOGLE_API_KEY: "for-the-simulator" } };
}

/**
 * @param {string[]} args
 * @param {Record<string, string>} env
 * @param {string} config
 * @param {number} port
 * @returns {Promise<Server>}
 */
async function launch(args, env, config, port) {
  const binary = process.env.STONEPOT_BIN && resolve(process.env.STONEPOT_BIN);
  if (!binary) throw new Error("Set STONEPOT_BIN to the built binary, for example ../bin/stonepot (make build makes it).");
  await access(binary).catch(() => {
    throw new Error(`There is no binary at ${binary} (STONEPOT_BIN): run make build.`);
  });
  const home = await mkdtemp(join(tmpdir(), "stonepot-e2e-"));
  if (config) await writeFile(join(home, "config.yaml"), config);
  const child = spawn(binary, args, {
    cwd: home,
    stdio: ["ignore", "pipe", "pipe"],
    // Nothing of the developer's own environment: a key there would send the tests to the real model.
    env: { PATH: process.env.PATH ?? "", HOME: home, HOST: "127.0.0.1", STONEPOT_SERVER_HOST: "127.0.0.1", PORT: String(port), ...env },
  });
  let log = "";
  child.stdout.on("data", (data) => (log += data));
  child.stderr.on("data", (data) => (log += data));
  /** @type {Promise<number | null>} */
  const exit = new Promise((done, failed) => {
    child.on("exit", done);
    child.on("error", failed);
  });
  const ended = exit.finally(() => rm(home, { recursive: true, force: true }));
  ended.catch(() => undefined);

  let told = false;
  const url = await listening(child, () => log);
  return {
    url,
    port: Number(new URL(url).port),
    log: () => log,
    kill(signal = "SIGTERM") {
      told = true;
      child.kill(signal);
    },
    async stop() {
      // A second signal would end it at once.
      if (!told && child.exitCode === null) child.kill("SIGTERM");
      const timer = setTimeout(() => child.kill("SIGKILL"), stopTimeoutMs);
      try {
        return await ended;
      } finally {
        clearTimeout(timer);
      }
    },
  };
}

/**
 * Waits until it says where it listens.
 * @param {import("node:child_process").ChildProcess} child
 * @param {() => string} log
 * @returns {Promise<string>} the address
 */
async function listening(child, log) {
  const deadline = Date.now() + startTimeoutMs;
  for (;;) {
    const url = / listens on (http:\S+)/.exec(log())?.[1];
    if (url) return url;
    if (child.exitCode !== null) throw new Error(`stonepot ended with ${child.exitCode} while starting:\n${log()}`);
    if (Date.now() > deadline) {
      child.kill("SIGKILL");
      throw new Error(`stonepot did not listen within ${startTimeoutMs} ms:\n${log()}`);
    }
    await new Promise((done) => setTimeout(done, 10));
  }
}

// Finds programs that a test needs, or fails with the line that installs them.
import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";

/** @param {string} file */
function runnable(file) {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/**
 * @param {string} name
 * @returns {string | undefined}
 */
export function onPath(name) {
  for (const folder of (process.env.PATH ?? "").split(delimiter)) {
    if (folder && runnable(join(folder, name))) return join(folder, name);
  }
  return undefined;
}

/** @returns {string} */
export function findChromium() {
  const wanted = process.env.CHROMIUM;
  if (wanted) {
    if (runnable(wanted)) return wanted;
    throw new Error(`CHROMIUM names ${wanted}, which cannot be run.`);
  }
  const found = ["/usr/bin/chromium", onPath("chromium"), onPath("chromium-browser"), onPath("google-chrome")];
  return found.find((file) => file !== undefined && runnable(file)) ?? missing("Chromium", "chromium");
}

/** @returns {string} */
export function findFirefox() {
  const wanted = process.env.FIREFOX;
  if (wanted) {
    if (runnable(wanted)) return wanted;
    throw new Error(`FIREFOX names ${wanted}, which cannot be run.`);
  }
  return onPath("firefox-esr") ?? onPath("firefox") ?? missing("Firefox", "firefox-esr");
}

/**
 * @param {string} program
 * @param {string} packages
 */
export function find(program, packages) {
  return onPath(program) ?? missing(program, packages);
}

/**
 * @param {string} what
 * @param {string} packages
 * @returns {never}
 */
function missing(what, packages) {
  throw new Error(`${what} is not installed. Install it with\n\n  apt-get install -y ${packages}\n`);
}

// Copies the export (client/out) to static/dist, where the Go build embeds it. What was there goes, the
// .gitkeep that keeps the folder in the repository stays.
import { cp, readdir, rm, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const client = dirname(dirname(fileURLToPath(import.meta.url)));
const from = join(client, "out");
const to = join(dirname(client), "static", "dist");

await stat(join(from, "index.html")).catch(() => {
  throw new Error(`There is no export in ${from}: run "npm run build" first.`);
});
for (const old of await readdir(to)) {
  if (old !== ".gitkeep") await rm(join(to, old), { recursive: true });
}
await cp(from, to, { recursive: true });

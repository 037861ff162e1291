import Head from "next/head";
import { scripts } from "./scripts.gen";

/** Names a page's own script, and those that it begins with, in the head of the built page; Next's dev server has its own. */
export function Scripts({ of }: { of: keyof typeof scripts }) {
  if (process.env.NODE_ENV !== "production") return null;
  const { src, needs } = scripts[of];
  return (
    <Head>
      {/* A module waits until the document is read. */}
      {/* eslint-disable-next-line @next/next/no-sync-scripts */}
      <script type="module" src={src} />
      {needs.map((href) => (
        <link key={href} rel="modulepreload" href={href} />
      ))}
    </Head>
  );
}

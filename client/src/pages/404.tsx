import Head from "next/head";
import { Logo } from "@/components/icons";
import type { DrawnOnly } from "@/entry/page-config";

// Nothing on it needs a script.
export const config: DrawnOnly = { unstable_runtimeJS: false };

export default function NotFound() {
  return (
    <>
      <Head>
        <title>Not found · Stonepot</title>
      </Head>
      <main data-status="idle" className="grid min-h-dvh place-items-center px-6 text-center">
        <div className="max-w-sm">
          <Logo className="mx-auto size-12 text-ember" />
          <h1 className="mt-6 text-2xl font-semibold tracking-tight">This page does not exist</h1>
          <p className="mt-3 leading-relaxed text-muted">The address may be mistyped, or the page has moved.</p>
          {/* A plain link: the page it leads to is loaded whole, so that it works even where this one is served for another path. */}
          {/* eslint-disable-next-line @next/next/no-html-link-for-pages */}
          <a
            href="/"
            className="mt-8 inline-flex h-12 items-center rounded-full bg-ember px-6 font-medium text-on-accent hover:opacity-90"
          >
            Start a conversation
          </a>
        </div>
      </main>
    </>
  );
}

import Head from "next/head";
import { Logo } from "@/components/icons";
import type { DrawnOnly } from "@/entry/page-config";
import { Scripts } from "@/entry/Scripts";

// src/offline/sw.ts shows it in place of any page that the server does not answer for.
export const config: DrawnOnly = { unstable_runtimeJS: false };

export default function Offline() {
  return (
    <>
      <Head>
        <title>No connection · Stonepot</title>
        <meta name="robots" content="noindex" />
      </Head>
      <Scripts of="offline" />
      <main data-status="idle" data-offline className="grid min-h-dvh place-items-center px-6 text-center">
        <div className="max-w-sm">
          <Logo className="mx-auto size-12 text-ember" />
          <h1 className="mt-6 text-2xl font-semibold tracking-tight">No connection</h1>
          <p className="mt-3 leading-relaxed text-muted">
            The server cannot be reached. Check your network; a conversation that was going on can be taken up again for some minutes.
          </p>
          {/* This address again: the one that was asked for, whatever it is. */}
          <a
            href=""
            className="mt-8 inline-flex h-12 items-center rounded-full bg-ember px-6 font-medium text-on-accent hover:opacity-90"
          >
            Try again
          </a>
        </div>
      </main>
    </>
  );
}

import Head from "next/head";
import { Conversation } from "@/components/Conversation";
import type { DrawnOnly } from "@/entry/page-config";
import { Scripts } from "@/entry/Scripts";

// Next draws the page when it is built; src/entry/talk.tsx brings it to life.
export const config: DrawnOnly = { unstable_runtimeJS: false };

export default function Page() {
  return (
    <>
      <Head>
        <title>Stonepot</title>
        <meta name="description" content="Talk with a live model: it answers at once, and stops when you interrupt." />
      </Head>
      <Scripts of="talk" />
      <Conversation />
    </>
  );
}

import Head from "next/head";
import { OpsPage } from "@/components/ops/OpsPage";
import type { DrawnOnly } from "@/entry/page-config";
import { Scripts } from "@/entry/Scripts";

// Next draws the page when it is built; src/entry/ops.tsx brings it to life.
export const config: DrawnOnly = { unstable_runtimeJS: false };

export default function Page() {
  return (
    <>
      <Head>
        <title>Operator · Stonepot</title>
        <meta name="description" content="What this server is doing." />
        <meta name="robots" content="noindex, nofollow" />
      </Head>
      <Scripts of="ops" />
      <OpsPage />
    </>
  );
}

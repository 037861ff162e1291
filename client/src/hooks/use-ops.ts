import { useEffect, useSyncExternalStore } from "react";
import { Operator } from "@/ops/api";
import { KeyStore } from "@/ops/key";
import { Watch, type OpsSnapshot } from "@/ops/watch";
import { serverAt } from "@/voice/server";

const key = new KeyStore(() => window.sessionStorage);
const operator = new Operator(serverAt(process.env.NEXT_PUBLIC_STONEPOT_URL ?? ""), () => key.get());
const watch = new Watch(operator, key, {
  visible: () => document.visibilityState === "visible",
  random: Math.random,
  now: () => performance.now(),
});

/** The operator's view of the server; it is looked at as long as the page that uses this is mounted and visible. */
export function useOps(): { watch: Watch; snapshot: OpsSnapshot } {
  const snapshot = useSyncExternalStore(watch.subscribe, watch.getSnapshot, watch.getSnapshot);
  useEffect(() => {
    const abort = new AbortController();
    document.addEventListener("visibilitychange", () => watch.visibilityChanged(), { signal: abort.signal });
    window.addEventListener("online", () => watch.again(), { signal: abort.signal });
    watch.start();
    return () => {
      abort.abort();
      watch.stop();
    };
  }, []);
  return { watch, snapshot };
}

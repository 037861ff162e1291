import { useEffect, useState, useSyncExternalStore } from "react";
import { readConfig, type ServerConfig } from "@/voice/api";
import { Awake } from "@/voice/awake";
import { createCall } from "@/voice/browser";
import type { Call } from "@/voice/call";
import { serverAt } from "@/voice/server";
import type { CallSnapshot } from "@/voice/snapshot";
import { isLive } from "@/voice/state";
import { settings } from "./use-settings";
import { tap } from "./use-inspector";

// In development the page comes from Next's server and the voice from the Go server beside it.
export const server = serverAt(process.env.NEXT_PUBLIC_STONEPOT_URL ?? "");

/** The page has one call at a time, whatever React mounts, unmounts and mounts again. */
const call = createCall(server, tap, settings.get);

const awake = new Awake(() => navigator.wakeLock.request("screen"));

/** The page's call, what to draw of it, and what the server says about itself (undefined until it has). */
export function useCall(): { call: Call; snapshot: CallSnapshot; config: ServerConfig | undefined } {
  const snapshot = useSyncExternalStore(call.subscribe, call.getSnapshot, call.getSnapshot);
  const [config, setConfig] = useState<ServerConfig>();

  useEffect(() => {
    const abort = new AbortController();
    void readConfig(server, abort.signal).then((answer) => {
      if (!abort.signal.aborted) setConfig(answer);
    });
    const { signal } = abort;
    window.addEventListener("online", () => call.networkChanged(true), { signal });
    window.addEventListener("offline", () => call.networkChanged(false), { signal });
    // From one network to the next a device may never be offline; some browsers tell of it.
    const { connection } = navigator as { connection?: EventTarget };
    connection?.addEventListener("change", () => call.networkChanged(navigator.onLine), { signal });
    navigator.mediaDevices?.addEventListener("devicechange", () => call.devicesAppeared(), { signal });
    const stayAwake = (): void => {
      if ("wakeLock" in navigator) awake.set(isLive(call.getSnapshot().status) && document.visibilityState === "visible");
    };
    signal.addEventListener("abort", call.subscribe(stayAwake));
    const onVisibility = (): void => {
      call.visibilityChanged(document.visibilityState === "visible");
      stayAwake();
    };
    document.addEventListener("visibilitychange", onVisibility, { signal });
    // A page that is left must not go on listening; one that is reloaded may go on with the conversation.
    window.addEventListener("pagehide", () => call.leave(), { signal });
    call.remember();
    return () => abort.abort();
  }, []);

  return { call, snapshot, config };
}

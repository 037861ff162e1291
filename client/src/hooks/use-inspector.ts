import { useSyncExternalStore } from "react";
import { Tap } from "@/voice/tap";

/** The page's tap. It records while the inspector is open. */
export const tap = new Tap(() => performance.now());

let open = false;
const listeners = new Set<() => void>();

/** Opens the inspector, which begins to record; or closes it, and what was recorded stays. */
export function showInspector(show: boolean): void {
  open = show;
  if (show) tap.turnOn();
  else tap.turnOff();
  listeners.forEach((listener) => listener());
}

// From the first message on: nothing has been dialled when a page is loaded.
if (typeof window !== "undefined" && new URLSearchParams(window.location.search).has("debug")) showInspector(true);

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** Whether the inspector is open. */
export function useInspector(): boolean {
  return useSyncExternalStore(
    subscribe,
    () => open,
    () => false,
  );
}

import type { Direction, Entry } from "@/voice/tap";
import { nameOf } from "./words";

/** What of the record is shown. */
export interface Filter {
  /** Found in the name or the content, whatever its case. */
  readonly text: string;
  readonly way: Direction | "both";
  /** Stretches of sound. */
  readonly sound: boolean;
  /** Messages about the connection itself, many a second. */
  readonly routine: boolean;
}

export const everything: Filter = { text: "", way: "both", sound: true, routine: false };

const routine: ReadonlySet<string> = new Set(["ack", "ping", "pong"]);

/** The entries that a filter lets through. */
export function matching(entries: readonly Entry[], filter: Filter): Entry[] {
  const wanted = filter.text.trim().toLowerCase();
  return entries.filter((entry) => {
    if (entry.kind !== "line" && filter.way !== "both" && entry.way !== filter.way) return false;
    if (entry.kind === "audio" && !filter.sound) return false;
    if (entry.kind === "message" && !filter.routine && routine.has(entry.type)) return false;
    if (wanted === "") return true;
    return nameOf(entry).toLowerCase().includes(wanted) || (entry.kind === "message" && entry.text.toLowerCase().includes(wanted));
  });
}

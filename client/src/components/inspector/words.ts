// What the inspector says.
import { uplinkMs, type Entry } from "@/voice/tap";

/** Seconds since the record's beginning. */
export function clock(ms: number): string {
  return (ms / 1000).toFixed(3);
}

export function size(bytes: number): string {
  return bytes < 1000 ? `${bytes} B` : `${(bytes / 1000).toFixed(1)} kB`;
}

export function ms(value: number): string {
  return `${Math.round(value)} ms`;
}

/** What an entry is called in the list. */
export function nameOf(entry: Entry): string {
  switch (entry.kind) {
    case "message":
      return entry.type;
    case "audio":
      return entry.way === "up" ? "microphone" : "speech";
    case "line":
      return lineWords[entry.event];
  }
}

const lineWords: Readonly<Record<Extract<Entry, { kind: "line" }>["event"], string>> = {
  recording: "recording begins",
  dialled: "line dialled",
  opened: "line open",
  closed: "line closed",
};

/** An entry in a line. */
export function summaryOf(entry: Entry): string {
  switch (entry.kind) {
    case "message":
      // What stands in every message says nothing of this one.
      return entry.text.replace(/^\{"type":"[^"]*",?/, "{").replace(/"sessionId":"[^"]*",?/, "").slice(0, 200);
    case "audio": {
      if (entry.frames === 1) return "1 frame";
      const sound = entry.way === "up" ? `, ${ms(uplinkMs(entry.bytes))} of sound` : "";
      return `${entry.frames} frames in ${ms(entry.lastAt - entry.at)}${sound}, longest gap ${ms(entry.longestGapMs)}`;
    }
    case "line":
      return entry.code === undefined ? "" : `code ${entry.code}`;
  }
}

/** JSON on several lines; what is no JSON as it is. */
export function pretty(text: string): string {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}

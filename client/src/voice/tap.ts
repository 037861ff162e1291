// An observer of one page's voice connection, for the inspector: what goes over the line, and how playback fares.
import type { AudioEvents } from "./audio";
import { bytesPerMs } from "./audio-format";
import type { PlaybackReport } from "./player";
import { redact } from "./redact";
import { RingLog } from "./ring-log";
import type { Socket } from "./socket";

/** To the server, or from it. */
export type Direction = "up" | "down";

/** One line of the record. Times are milliseconds of the page's clock, which only goes forward. */
export type Entry =
  | { readonly kind: "message"; readonly id: number; readonly at: number; readonly way: Direction; readonly type: string; readonly bytes: number; readonly text: string }
  /** Binary messages of at most a second, together: of sound only its measures are kept. */
  | { readonly kind: "audio"; readonly id: number; readonly at: number; readonly way: Direction; readonly frames: number; readonly bytes: number; readonly lastAt: number; readonly longestGapMs: number }
  /** The line itself; `recording`: what went before was not seen. */
  | { readonly kind: "line"; readonly id: number; readonly at: number; readonly event: "recording" | "dialled" | "opened" | "closed"; readonly code?: number };

/** The playback queue at one moment. */
export interface BufferSample {
  readonly at: number;
  readonly queuedMs: number;
  /** Since the conversation's beginning. */
  readonly underruns: number;
}

/** One binary message: when it came or went, and how long after the one before. */
export interface FrameSample {
  readonly at: number;
  readonly gapMs: number;
}

/** The `readyState` of a socket that is over. */
const socketClosed = 3;

/** How long binary messages are taken together. */
const audioSpanMs = 1000;

/** A pause longer than this is no gap between frames: nobody spoke. */
const pauseMs = 2000;

const maxEntries = 5000;
/** Characters of messages that are kept, all together. */
const maxText = 2_000_000;
/** A minute of frames of 20 ms. */
const maxFrames = 3000;
/** A minute of playback reports. */
const maxBuffer = 2000;

/**
 * Tap records what crosses the sockets that are given to it, while it is on. Off, it costs a comparison for each report of
 * the speaker, and nothing for the messages. Tickets are taken out before anything is kept.
 */
export class Tap {
  readonly entries = new RingLog<Entry>(maxEntries, maxText, (entry) => (entry.kind === "message" ? entry.text.length : 0));
  readonly buffer = new RingLog<BufferSample>(maxBuffer);
  readonly frames = { up: new RingLog<FrameSample>(maxFrames), down: new RingLog<FrameSample>(maxFrames) };

  private recording = false;
  private nextId = 1;
  /** The last socket, should somebody turn the tap on while it is open. */
  private last: WeakRef<Socket & EventTarget> | undefined;
  private tapped = new WeakSet<EventTarget>();
  private open: Record<Direction, OpenAudio | undefined> = { up: undefined, down: undefined };
  private lastFrame: Record<Direction, number> = { up: -Infinity, down: -Infinity };
  private speechHz = 24_000;

  /** `now` is the clock of the call. */
  constructor(private readonly now: () => number) {}

  get on(): boolean {
    return this.recording;
  }

  /** Begins to record, in the middle of a conversation too. */
  turnOn(): void {
    if (this.recording) return;
    this.recording = true;
    this.line({ event: "recording" });
    const socket = this.last?.deref();
    if (socket && socket.readyState !== socketClosed) this.listen(socket);
  }

  /** Records no more; what was recorded stays. */
  turnOff(): void {
    this.settle();
    this.recording = false;
  }

  clear(): void {
    this.entries.clear();
    this.buffer.clear();
    this.frames.up.clear();
    this.frames.down.clear();
    this.open = { up: undefined, down: undefined };
    this.lastFrame = { up: -Infinity, down: -Infinity };
  }

  /** What was recorded, the oldest first. */
  list(): Entry[] {
    const list = this.entries.list();
    for (const way of ["up", "down"] as const) {
      const open = this.open[way];
      if (open) list.push({ kind: "audio", way, ...open });
    }
    return list.sort((a, b) => a.at - b.at || a.id - b.id);
  }

  /** Takes a socket that is about to be used, and gives it back. */
  socket<T extends Socket & EventTarget>(socket: T): T {
    this.last = new WeakRef(socket);
    if (this.recording) {
      this.line({ event: "dialled" });
      this.listen(socket);
    }
    return socket;
  }

  /** Takes what the speaker's reports go to, and gives a recording one back. */
  audio(events: AudioEvents): AudioEvents {
    return {
      ...events,
      report: (report) => {
        if (this.recording) this.report(report);
        events.report(report);
      },
    };
  }

  private listen(socket: Socket & EventTarget): void {
    if (this.tapped.has(socket)) return;
    this.tapped.add(socket);
    socket.addEventListener("open", () => this.line({ event: "opened" }));
    socket.addEventListener("message", (event) => this.take("down", (event as MessageEvent<unknown>).data));
    socket.addEventListener("close", (event) => this.line({ event: "closed", code: (event as CloseEvent).code }));
    const send = socket.send.bind(socket);
    socket.send = (data: string | ArrayBuffer | Blob | ArrayBufferView<ArrayBuffer>): void => {
      this.take("up", data);
      send(data);
    };
  }

  private take(way: Direction, data: unknown): void {
    if (!this.recording) return;
    const at = this.now();
    if (data instanceof ArrayBuffer) return this.frame(way, data.byteLength, at);
    if (typeof data !== "string") return;
    this.settle(way);
    const { type, text } = redact(data);
    if (type === "session_ready") this.speechHz = outputHz(text) ?? this.speechHz;
    this.entries.push({ kind: "message", id: this.nextId++, at, way, type, bytes: utf8Length(data), text });
  }

  private frame(way: Direction, bytes: number, at: number): void {
    const gapMs = at - this.lastFrame[way];
    this.lastFrame[way] = at;
    if (gapMs < pauseMs) this.frames[way].push({ at, gapMs });
    let open = this.open[way];
    if (open && at - open.at >= audioSpanMs) {
      this.settle(way);
      open = undefined;
    }
    if (!open) {
      this.open[way] = { id: this.nextId++, at, lastAt: at, frames: 1, bytes, longestGapMs: gapMs < pauseMs ? gapMs : 0 };
      return;
    }
    open.frames++;
    open.bytes += bytes;
    open.lastAt = at;
    open.longestGapMs = Math.max(open.longestGapMs, gapMs);
  }

  /** Puts the open stretch of sound, in one direction or both, into the record. */
  private settle(...ways: Direction[]): void {
    for (const way of ways.length > 0 ? ways : (["up", "down"] as const)) {
      const open = this.open[way];
      if (open) this.entries.push({ kind: "audio", way, ...open });
      this.open[way] = undefined;
    }
  }

  private line(what: { event: "recording" | "dialled" | "opened" } | { event: "closed"; code: number }): void {
    if (!this.recording) return;
    this.settle();
    this.entries.push({ kind: "line", id: this.nextId++, at: this.now(), ...what });
  }

  private report({ queued, underruns }: PlaybackReport): void {
    this.buffer.push({ at: this.now(), queuedMs: (queued / this.speechHz) * 1000, underruns });
  }
}

type OpenAudio = { id: number; at: number; lastAt: number; frames: number; bytes: number; longestGapMs: number };

/** Milliseconds of speech in so many bytes that the microphone sent. */
export function uplinkMs(bytes: number): number {
  return bytes / bytesPerMs;
}

function outputHz(sessionReady: string): number | undefined {
  const found = /"output":\{[^}]*"sampleRate":(\d+)/.exec(sessionReady);
  return found ? Number(found[1]) : undefined;
}

/** Bytes of a text on the line. */
function utf8Length(text: string): number {
  let bytes = text.length;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit < 0x80) continue;
    if (unit < 0x800) bytes += 1;
    // Each half of a surrogate pair adds one to its one: four bytes together.
    else bytes += unit >= 0xd800 && unit <= 0xdfff ? 1 : 2;
  }
  return bytes;
}

/** The record as JSON lines: one object an entry, times in milliseconds since the first. */
export function exported(entries: readonly Entry[]): string {
  const from = entries[0]?.at ?? 0;
  const since = (at: number): number => Math.round((at - from) * 10) / 10;
  return entries
    .map((entry) => {
      switch (entry.kind) {
        case "message":
          return { t: since(entry.at), way: entry.way, bytes: entry.bytes, message: parsed(entry.text) };
        case "audio":
          return {
            t: since(entry.at),
            way: entry.way,
            bytes: entry.bytes,
            audio: { frames: entry.frames, spanMs: Math.round(entry.lastAt - entry.at), longestGapMs: Math.round(entry.longestGapMs) },
          };
        case "line":
          return { t: since(entry.at), line: entry.event, ...(entry.code === undefined ? {} : { code: entry.code }) };
      }
    })
    .map((line) => JSON.stringify(line) + "\n")
    .join("");
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

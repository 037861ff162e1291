// A call under Node: a socket of the network, and in place of microphone and speaker a person who counts. Every sample that is
// spoken has a number, and the simulator says back what it hears: what arrives tells exactly what was lost, doubled or moved.
import WebSocket from "ws";
import { createSession, type Admission } from "../src/voice/api";
import type { AudioEvents } from "../src/voice/audio";
import { frameMs, samplesPerFrame } from "../src/voice/audio-format";
import { Call } from "../src/voice/call";
import type { MicrophoneEvents } from "../src/voice/capture";
import type { Keep, Saved } from "../src/voice/saved";
import type { Socket } from "../src/voice/socket";

/** Samples count from 1 to this and begin again; 0 is silence that a server may add. */
const cycle = 32_000;

export class CountingPerson {
  readonly call: Call;
  /** Samples spoken and heard so far. */
  spoken = 0;
  heard = 0;
  /** What was wrong with what was heard. */
  readonly faults: string[] = [];
  readonly notices = new Set<string>();

  private saved: Saved | undefined;
  private microphone: MicrophoneEvents | undefined;
  private timer: ReturnType<typeof setInterval> | undefined;
  private spokenUntil = 0;

  constructor(private readonly port: number) {
    this.call = this.page();
    this.call.subscribe(() => {
      const { notice } = this.call.getSnapshot();
      if (notice) this.notices.add(notice.kind);
    });
  }

  /** Speaks without a pause until told otherwise, in frames as a microphone gives them. */
  speak(): void {
    this.spokenUntil = performance.now();
    this.timer = setInterval(() => {
      for (; this.spokenUntil <= performance.now(); this.spokenUntil += frameMs) {
        const pcm = new Int16Array(samplesPerFrame);
        for (let i = 0; i < pcm.length; i++) pcm[i] = (this.spoken++ % cycle) + 1;
        this.microphone?.frame({ pcm: pcm.buffer, level: 0.1 });
      }
    }, frameMs);
  }

  silence(): void {
    clearInterval(this.timer);
  }

  private hear(pcm: ArrayBuffer): void {
    for (const sample of new Int16Array(pcm)) {
      if (sample === 0) continue;
      const expected = (this.heard % cycle) + 1;
      if (sample !== expected && this.faults.length < 20) this.faults.push(`sample ${this.heard} is ${sample} and not ${expected}`);
      this.heard++;
    }
  }

  private page(): Call {
    const baseUrl = `http://127.0.0.1:${this.port}`;
    const keep: Keep = { read: () => this.saved, write: (saved) => (this.saved = saved), clear: () => (this.saved = undefined) };
    return new Call({
      openAudio: (events) => this.audio(events),
      createSession: (signal) => createSession({ baseUrl, fetch, online: () => true }, signal),
      openSocket: ({ url, protocols }: Admission) => {
        const socket = new WebSocket(url, [...protocols]);
        // As in a browser, the close that follows says all; without a listener Node would stop.
        socket.on("error", () => undefined);
        return socket as unknown as Socket;
      },
      keep,
      now: () => performance.now(),
      wall: Date.now,
    });
  }

  private audio(events: AudioEvents) {
    let received = 0;
    // Everything is heard as soon as it comes.
    const report = (): void => events.report({ epoch: 0, received, queued: 0, played: received, underruns: 0, refused: 0, level: 0 });
    return {
      speaker: {
        push: (pcm: ArrayBuffer) => {
          received += pcm.byteLength / 2;
          this.hear(pcm);
          report();
        },
        end: () => undefined,
        clear: () => undefined,
        setRate: () => undefined,
        close: () => undefined,
      },
      openMicrophone: async (microphone: MicrophoneEvents) => {
        this.microphone = microphone;
        return { setMuted: () => undefined, close: () => (this.microphone = undefined) };
      },
      speakerChanged: () => undefined,
      devicesChanged: () => undefined,
      resume: () => undefined,
      close: () => undefined,
    };
  }
}

/** Waits for something; fails with what `state` says then. */
export async function until(what: string, done: () => boolean, state: () => unknown, timeoutMs = 20_000): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  while (!done()) {
    if (performance.now() > deadline) throw new Error(`Waited ${timeoutMs} ms for ${what}: ${JSON.stringify(state(), null, 1)}`);
    await new Promise((next) => setTimeout(next, 20));
  }
}

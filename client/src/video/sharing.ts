// What the model is shown beside the conversation: a camera or a screen, one picture a second. It knows no framework.
import { ProblemError, type Problem } from "@/voice/problem";
import type { CallStats } from "@/voice/snapshot";
import { Fit } from "./fit";
import { pictureProblem } from "./problems";
import type { Facing, Kind, Picture, Source, SourceEvents } from "./source";

/** What a page draws of it. Replaced as a whole on every change. */
export interface SharingSnapshot {
  readonly on: Kind | undefined;
  /** The browser asks the person. */
  readonly asking: Kind | undefined;
  /** Nothing is shown for now: the person wants it so, or the system. */
  readonly paused: "person" | "system" | undefined;
  readonly stream: MediaStream | undefined;
  readonly facing: Facing | undefined;
  /** There is another camera. */
  readonly canSwitch: boolean;
  readonly problem: Problem | undefined;
}

export const off: SharingSnapshot = {
  on: undefined,
  asking: undefined,
  paused: undefined,
  stream: undefined,
  facing: undefined,
  canSwitch: false,
  problem: undefined,
};

/** The world of it; tests give their own. */
export interface SharingWorld {
  openCamera(facing: Facing, not: string | undefined, events: SourceEvents): Promise<Source>;
  openScreen(events: SourceEvents): Promise<Source>;
  hasCameras(atLeast: number): Promise<boolean>;
}

/** The conversation that it belongs to. */
export interface SharingCall {
  /** Undefined: none of those that wait is to be sent any more. */
  sendPicture(picture: Picture | undefined): void;
  stats(): Pick<CallStats, "superseded" | "pictureMs" | "pictures"> | undefined;
  /** The line is being taken up again: that pictures wait says nothing of what it carries. */
  lost(): boolean;
}

const everyMs = 1000;

/** The longest side of a picture: what a model looks at as one tile; letters on a screen want more. */
const longestSide: Readonly<Record<Kind, number>> = { camera: 768, screen: 1280 };

/** Sharing shows a camera or a screen to the model, one picture a second, until it is stopped or the device ends. */
export class Sharing {
  private current = off;
  private readonly listeners = new Set<() => void>();
  private source: Source | undefined;
  private fit: Fit | undefined;
  private timer: ReturnType<typeof setInterval> | undefined;
  private grabbing = false;
  /** Who wants that nothing is shown. */
  private halted = { person: false, system: false };
  /** Counts what was begun: late answers belong to what is not wanted any more. */
  private turn = 0;
  private seen = { superseded: 0, pictures: 0 };

  constructor(
    private readonly call: SharingCall,
    private readonly world: SharingWorld,
    /** Bytes of the largest `video_frame` message that the server takes. */
    private readonly maxMessageBytes: () => number,
  ) {}

  // Bound, so that they can be handed to useSyncExternalStore.
  readonly subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };

  readonly getSnapshot = (): SharingSnapshot => this.current;

  /** Asks for a camera, in the place of what is shown now. Call it inside a gesture. */
  startCamera(facing: Facing = "user"): Promise<void> {
    return this.start("camera", (events) => this.world.openCamera(facing, undefined, events));
  }

  /** Asks for a screen. Call it inside a gesture. */
  startScreen(): Promise<void> {
    return this.start("screen", (events) => this.world.openScreen(events));
  }

  /** Takes the other camera. Phones have one open at a time, so this one is closed first. */
  async switchCamera(): Promise<void> {
    const { source } = this;
    if (!source || this.current.on !== "camera") return;
    const before = source.stream.getVideoTracks()[0]?.getSettings().deviceId;
    const next = this.current.facing === "environment" ? "user" : "environment";
    source.close();
    await this.start("camera", (events) => this.world.openCamera(next, before, events));
  }

  pause(paused: boolean): void {
    this.halt({ person: paused });
  }

  /** Nothing is shown any more, and what waits to be sent is not sent. */
  stop(problem?: Problem): void {
    this.turn++;
    this.close();
    this.update({ ...off, problem });
  }

  /** The person has read what went wrong. */
  dismiss(): void {
    this.update({ ...this.current, problem: undefined });
  }

  private async start(kind: Kind, open: (events: SourceEvents) => Promise<Source>): Promise<void> {
    const turn = ++this.turn;
    const mine = (): boolean => this.turn === turn;
    this.update({ ...this.current, asking: kind, problem: undefined });
    let source: Source;
    try {
      source = await open({
        ended: () => mine() && this.stop(kind === "camera" ? pictureProblem("camera_lost") : undefined),
        muted: (system) => mine() && this.halt({ system }),
      });
    } catch (error) {
      if (!mine()) return;
      const problem = error instanceof ProblemError ? error.problem : pictureProblem(`${kind}_busy`);
      // What was shown before goes on; a camera that was given up for another one does not.
      const ended = this.source?.stream.getVideoTracks().every((x) => x.readyState === "ended") ?? true;
      if (ended) return this.stop(problem);
      return this.update({ ...this.current, asking: undefined, problem });
    }
    if (!mine()) return source.close();
    this.close();
    this.source = source;
    this.fit = new Fit(this.maxMessageBytes(), longestSide[kind]);
    this.timer = setInterval(() => void this.look(), everyMs);
    this.update({ ...off, on: kind, stream: source.stream, facing: source.facing });
    void this.look();
    if (kind !== "camera") return;
    const canSwitch = await this.world.hasCameras(2);
    if (mine() && canSwitch) this.update({ ...this.current, canSwitch });
  }

  /** Takes a picture and shows it. */
  private async look(): Promise<void> {
    const { source, fit, turn } = this;
    if (!source || !fit || this.grabbing || this.current.paused) return;
    this.adapt(fit);
    this.grabbing = true;
    try {
      for (;;) {
        const picture = await source.grab(fit.form);
        if (!picture || this.turn !== turn || this.current.paused) return;
        const verdict = fit.made(picture.bytes);
        if (verdict === "fits") this.call.sendPicture(picture);
        if (verdict !== "again") return;
      }
    } catch {
      // A frame that cannot be read is one that is not shown; the next is a second away.
    } finally {
      this.grabbing = false;
    }
  }

  /** Learns from how the last picture fared. */
  private adapt(fit: Fit): void {
    const stats = this.call.stats();
    if (!stats) return;
    const { superseded, pictures, pictureMs } = stats;
    if (this.call.lost()) this.seen = { superseded, pictures };
    if (superseded > this.seen.superseded) fit.stalled();
    else if (pictures > this.seen.pictures && pictureMs > 0) fit.took(pictureMs);
    this.seen = { superseded, pictures };
  }

  private halt(change: Partial<Sharing["halted"]>): void {
    if (!this.current.on) return;
    this.halted = { ...this.halted, ...change };
    const paused = this.halted.system ? "system" : this.halted.person ? "person" : undefined;
    this.update({ ...this.current, paused });
    if (paused) this.call.sendPicture(undefined);
    else void this.look();
  }

  private close(): void {
    clearInterval(this.timer);
    this.timer = undefined;
    this.source?.close();
    this.source = undefined;
    this.grabbing = false;
    this.halted = { person: false, system: false };
    this.call.sendPicture(undefined);
  }

  private update(next: SharingSnapshot): void {
    this.current = next;
    this.listeners.forEach((listener) => listener());
  }
}

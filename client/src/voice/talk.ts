import type { CallStore } from "./call-store";
import type { Connection } from "./connection";
import type { MicrophoneFrame } from "./framer";
import type { VadConfig } from "./protocol";
import { PushToTalk } from "./push-to-talk";
import type { Levels } from "./snapshot";
import { isLive, type Event } from "./state";

/** What push-to-talk needs of the call that it belongs to. */
export interface TalkOwner {
  /** Undefined: there is no conversation. */
  connection(): Connection | undefined;
  dispatch(event: Event): void;
  /** Whoever holds a button is not muted as well. */
  unmute(): void;
  /** Something changed that a reload must remember. */
  save(): void;
}

type Mode = NonNullable<VadConfig["mode"]>;

/** Talk is who says when a person speaks: the person, by a button, or the microphone's level. */
export class Talk {
  private readonly button = new PushToTalk();
  /** The mode that was wished for in mid-conversation and is not in effect yet. */
  private wished: Mode | undefined;

  constructor(
    private readonly store: CallStore,
    private readonly levels: Levels,
    private readonly owner: TalkOwner,
  ) {}

  /** The button is down. */
  begin(): void {
    const connection = this.owner.connection();
    const { pushToTalk, textOnly, status } = this.store.snapshot;
    if (!connection || !pushToTalk || textOnly || !isLive(status) || status === "connecting" || this.button.talking) return;
    this.owner.dispatch("interrupt");
    if (!this.button.begin(connection)) return;
    this.store.update({ talking: true });
    this.owner.dispatch("speechStarted");
  }

  /** The button is up. */
  end(): void {
    const connection = this.owner.connection();
    if (!connection || !this.button.end(connection)) return;
    this.levels.microphone = 0;
    this.store.update({ talking: false });
    this.owner.dispatch("speechEnded");
  }

  /** A frame of the microphone; false: it is not for the button to say whether it is sent. */
  takes(frame: MicrophoneFrame, connection: Connection): boolean {
    if (!this.store.snapshot.pushToTalk) return false;
    this.levels.microphone = this.button.talking ? frame.level : 0;
    this.button.frame(connection, frame.pcm);
    return true;
  }

  /** Another mode is wished for. */
  wish(mode: Mode | undefined): void {
    this.wished = mode ?? this.wished;
  }

  /** What was wished for is in effect. */
  updated(): void {
    const { wished } = this;
    this.wished = undefined;
    if (!wished) return;
    this.end();
    this.button.reset();
    this.levels.microphone = 0;
    if (wished === "manual") this.owner.unmute();
    this.store.update({ pushToTalk: wished === "manual" });
    this.owner.save();
  }

  /** A wish that is refused in mid-conversation changes nothing; one that came with the start is not in effect either. */
  refused(field: string): void {
    if (field !== "vad" && field !== "vad.mode") return;
    const late = this.wished !== undefined;
    this.wished = undefined;
    if (late || !this.store.snapshot.pushToTalk) return;
    this.end();
    this.store.update({ pushToTalk: false });
  }

  /** Another conversation, or none. */
  reset(): void {
    this.button.reset();
    this.wished = undefined;
  }
}

import type { Admission } from "./api";
import { AnswerPlayback } from "./answer-playback";
import type { Audio, AudioEvents } from "./audio";
import type { Microphone } from "./capture";
import { Connection, type Closed, type Socket } from "./connection";
import type { MicrophoneFrame } from "./framer";
import type { PlaybackReport } from "./player";
import { ProblemError, problemOf, type Problem } from "./problem";
import type { ServerMessage } from "./protocol";
import type { CallStats } from "./snapshot";

/** The world of a call; tests give their own. */
export interface CallWorld {
  openAudio(events: AudioEvents): Audio;
  createSession(signal: AbortSignal): Promise<Admission>;
  openSocket(admission: Admission): Socket;
  /** Milliseconds of a clock that only goes forward. */
  now(): number;
}

/** What a run tells its owner. Nothing is called after `close`. */
export interface RunEvents {
  message(message: ServerMessage): void;
  /** Samples of the model's voice; the buffer is the receiver's. */
  speech(pcm: ArrayBuffer): void;
  report(report: PlaybackReport): void;
  playback(what: "playbackStarted" | "playbackEnded"): void;
  frame(frame: MicrophoneFrame): void;
  microphoneOpened(microphone: Microphone): void;
  microphoneLost(): void;
  soundHeld(held: boolean): void;
  failed(problem: Problem): void;
  closed(how: Closed): void;
}

/** What belongs to one conversation: microphone, socket, speaker. Late answers to one that is over find it closed. */
export class Run {
  readonly connection: Connection;
  readonly answer: AnswerPlayback;
  audio: Audio | undefined;
  microphone: Microphone | undefined;
  serverReady = false;
  /** An `error` or an early `session_ended`: it explains the close that follows. */
  problem: Problem | undefined;
  saidGoodbye = false;
  /** The person interrupted: the rest of the answer is dropped until the server says `interrupted`. */
  discarding = false;
  discardedMessages = 0;

  private readonly abort = new AbortController();
  private over = false;
  private protocolErrors = 0;

  constructor(
    private readonly world: CallWorld,
    private readonly events: RunEvents,
  ) {
    this.answer = new AnswerPlayback((what) => this.current(() => events.playback(what)));
    this.connection = new Connection(
      { transcription: { input: true, output: true } },
      {
        message: (message) => this.current(() => events.message(message)),
        audio: (pcm) => this.current(() => events.speech(pcm)),
        protocolError: () => void this.protocolErrors++,
        closed: (how) => this.current(() => events.closed(how)),
      },
      world.now,
    );
  }

  /** Opens everything; must be called inside a person's gesture, or the browser gives no sound. */
  open(microphone: boolean): void {
    const { events } = this;
    try {
      this.audio = this.world.openAudio({
        report: (report) => this.current(() => events.report(report)),
        failed: () => this.current(() => events.failed(problemOf("audio_failed"))),
        suspended: (held) => this.current(() => events.soundHeld(held)),
      });
    } catch (error) {
      return events.failed(problemFrom(error, "audio_failed"));
    }
    // Side by side: the person answers the browser's question while the server dials the model.
    void this.openConnection();
    if (microphone) void this.openMicrophone(this.audio);
  }

  private async openConnection(): Promise<void> {
    try {
      const admission = await this.world.createSession(this.abort.signal);
      if (!this.over) this.connection.open(this.world.openSocket(admission));
    } catch (error) {
      this.current(() => this.events.failed(problemFrom(error, "server_unreachable")));
    }
  }

  private async openMicrophone(audio: Audio): Promise<void> {
    try {
      const microphone = await audio.openMicrophone(
        {
          frame: (frame) => this.current(() => this.events.frame(frame)),
          lost: () => this.current(() => this.events.microphoneLost()),
        },
        this.abort.signal,
      );
      if (this.over || this.abort.signal.aborted) return microphone.close();
      this.microphone = microphone;
      this.events.microphoneOpened(microphone);
    } catch (error) {
      this.current(() => this.events.failed(problemFrom(error, "audio_failed")));
    }
  }

  /** Closes the microphone, and whatever is not open yet never opens. */
  silence(): void {
    this.abort.abort();
    this.microphone?.close();
    this.microphone = undefined;
  }

  close(): void {
    this.over = true;
    this.silence();
    this.connection.close();
    this.audio?.close();
  }

  stats(): CallStats {
    const { report, speechHz } = this.answer;
    const ms = (samples: number): number => Math.round((samples / speechHz) * 1000);
    return {
      ...this.connection.counts,
      playedMs: ms(report?.played ?? 0),
      queuedMs: ms(report?.queued ?? 0),
      underruns: report?.underruns ?? 0,
      refusedSamples: report?.refused ?? 0,
      discardedMessages: this.discardedMessages,
      protocolErrors: this.protocolErrors,
    };
  }

  /** Runs `act` unless the conversation is over. */
  private current(act: () => void): void {
    if (!this.over) act();
  }
}

function problemFrom(error: unknown, otherwise: string): Problem {
  return error instanceof ProblemError ? error.problem : problemOf(otherwise);
}

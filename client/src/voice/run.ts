import type { Admission } from "./api";
import { AnswerPlayback } from "./answer-playback";
import type { Audio, AudioEvents, Suspended } from "./audio";
import type { Microphone } from "./capture";
import { Connection, type End, type Ticket } from "./connection";
import type { MicrophoneFrame } from "./framer";
import type { PlaybackReport } from "./player";
import { ProblemError, problemOf, type Problem } from "./problem";
import { resumeSubprotocol, subprotocol, type ServerMessage, type SessionConfig } from "./protocol";
import type { Keep, Saved } from "./saved";
import type { CallStats } from "./snapshot";
import type { Socket } from "./socket";

/** The world of a call; tests give their own. */
export interface CallWorld {
  openAudio(events: AudioEvents): Audio;
  createSession(signal: AbortSignal): Promise<Admission>;
  openSocket(admission: Admission): Socket;
  /** Where the conversation is kept while the page is reloaded. */
  readonly keep: Keep;
  /** Milliseconds of a clock that only goes forward. */
  now(): number;
  /** The time of day, Unix milliseconds. */
  wall(): number;
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
  /** The system gives silence for the microphone's sound. */
  microphoneHeld(held: boolean): void;
  sound(how: Suspended): void;
  failed(problem: Problem): void;
  /** There is a newer ticket: whoever has it can go on with the conversation. */
  ticket(): void;
  /** Taking up a lost line takes long enough to be told, or is over. */
  resuming(told: boolean): void;
  closed(how: End): void;
}

/** A line that is found again sooner than this was never away, as far as a person can tell. */
const untoldMs = 500;

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
  /** The number of the message that said so. */
  interruptNumber = 0;
  discardedMessages = 0;
  /** The newest ticket, and where it is honoured. */
  ticket: Ticket | undefined;
  url = "";

  private readonly abort = new AbortController();
  private over = false;
  private protocolErrors = 0;
  private untold: ReturnType<typeof setTimeout> | undefined;

  constructor(
    private readonly world: CallWorld,
    private readonly events: RunEvents,
    /** What a new conversation wishes for. */
    config: SessionConfig,
  ) {
    this.answer = new AnswerPlayback((what) => this.current(() => events.playback(what)));
    this.connection = new Connection(
      { transcription: { input: true, output: true }, ...config, resumable: true },
      {
        dial: () => world.openSocket({ url: this.url, protocols: [subprotocol, resumeSubprotocol] }),
        now: () => world.now(),
      },
      {
        message: (message) =>
          this.current(() => {
            if (message.type === "session_resumed") this.found();
            events.message(message);
          }),
        audio: (pcm) => this.current(() => events.speech(pcm)),
        protocolError: () => void this.protocolErrors++,
        ticket: (ticket) =>
          this.current(() => {
            this.ticket = ticket;
            events.ticket();
          }),
        lost: () => (this.untold ??= setTimeout(() => events.resuming(true), untoldMs)),
        again: () => void this.openConnection(),
        closed: (how) => this.current(() => events.closed(how)),
      },
    );
  }

  /**
   * Opens everything, for a new conversation or a saved one; must be called inside a person's gesture, or the browser gives
   * no sound.
   */
  open(microphone: boolean, saved: Saved | undefined): void {
    const { events } = this;
    try {
      this.audio = this.world.openAudio({
        report: (report) => this.current(() => events.report(report)),
        failed: () => this.current(() => events.failed(problemOf("audio_failed"))),
        suspended: (how) => this.current(() => events.sound(how)),
      });
    } catch (error) {
      return events.failed(problemFrom(error, "audio_failed"));
    }
    // Side by side: the person answers the browser's question while the server dials the model.
    if (saved) this.resume(saved);
    else void this.openConnection();
    if (microphone) void this.openMicrophone(this.audio);
  }

  /** Takes the microphone that is chosen now in the place of the one before, if it can be had. Rejects with the reason otherwise. */
  async replaceMicrophone(): Promise<void> {
    const { audio } = this;
    if (!audio) return;
    const before = this.microphone;
    const next = await this.askForMicrophone(audio);
    // Another one came first, or nobody wants one any more.
    if (this.over || this.abort.signal.aborted || this.microphone !== before) return next.close();
    before?.close();
    this.microphone = next;
    this.events.microphoneOpened(next);
  }

  private async openConnection(): Promise<void> {
    try {
      const admission = await this.world.createSession(this.abort.signal);
      if (this.over) return;
      this.url = admission.url;
      this.connection.open(this.world.openSocket(admission));
    } catch (error) {
      this.current(() => this.events.failed(problemFrom(error, "server_unreachable")));
    }
  }

  private resume(saved: Saved): void {
    this.url = saved.url;
    this.ticket = saved.ticket;
    this.setSpeechHz(saved.outputHz);
    this.connection.resume(saved.ticket);
  }

  private async openMicrophone(audio: Audio): Promise<void> {
    try {
      const microphone = await this.askForMicrophone(audio);
      if (this.over || this.abort.signal.aborted) return microphone.close();
      this.microphone = microphone;
      this.events.microphoneOpened(microphone);
    } catch (error) {
      this.current(() => this.events.failed(problemFrom(error, "audio_failed")));
    }
  }

  private async askForMicrophone(audio: Audio): Promise<Microphone> {
    const opened: { microphone?: Microphone } = {};
    opened.microphone = await audio.openMicrophone(
      {
        // While one device follows another, both deliver for a moment.
        frame: (frame) => this.current(() => this.microphone === opened.microphone && this.events.frame(frame)),
        lost: () => this.current(() => this.microphone === opened.microphone && this.events.microphoneLost()),
        held: (held) => this.current(() => this.microphone === opened.microphone && this.events.microphoneHeld(held)),
      },
      this.abort.signal,
    );
    return opened.microphone;
  }

  /** The rate of the model's voice. */
  setSpeechHz(hz: number): void {
    this.answer.speechHz = hz;
    this.audio?.speaker.setRate(hz);
  }

  /** The microphone is gone. */
  dropMicrophone(): void {
    this.microphone?.close();
    this.microphone = undefined;
  }

  /** Closes the microphone, and whatever is not open yet never opens. */
  silence(): void {
    this.abort.abort();
    this.dropMicrophone();
  }

  close(): void {
    this.connection.close();
    this.stop();
  }

  /** Closes everything on this side; the session stays as it is, for whoever has its ticket. */
  leave(): void {
    this.connection.leave();
    this.stop();
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

  private stop(): void {
    this.over = true;
    this.silence();
    this.audio?.close();
    clearTimeout(this.untold);
  }

  /** The lost line was taken up again. */
  private found(): void {
    clearTimeout(this.untold);
    this.untold = undefined;
    this.events.resuming(false);
  }

  /** Runs `act` unless the conversation is over. */
  private current(act: () => unknown): void {
    if (!this.over) act();
  }
}

function problemFrom(error: unknown, otherwise: string): Problem {
  return error instanceof ProblemError ? error.problem : problemOf(otherwise);
}

// A call ties microphone, socket, speaker and the state table together. It knows no framework: a page subscribes and
// draws snapshots; sound and levels never pass through them.
import type { Admission } from "./api";
import type { Audio, AudioEvents } from "./audio";
import { defaultSpeechHz } from "./audio-format";
import * as captions from "./captions";
import type { Microphone } from "./capture";
import { Connection, type Closed, type ConnectionCounts, type Socket } from "./connection";
import type { MicrophoneFrame } from "./framer";
import type { PlaybackReport } from "./player";
import { ProblemError, codeOfClose, problemOf, type Problem } from "./problem";
import type { ServerMessage } from "./protocol";
import { SpeechDetector } from "./speech-detector";
import { isLive, transition, type Effect, type Event, type Status } from "./state";

/** What the page draws. Replaced as a whole on every change, never modified. */
export interface CallSnapshot {
  readonly status: Status;
  readonly muted: boolean;
  /** The conversation goes without a microphone. */
  readonly textOnly: boolean;
  readonly captions: readonly captions.Caption[];
  /** Why the last call failed or ended early. */
  readonly problem: Problem | undefined;
  /** Something passing that the person should know; nothing ended. */
  readonly notice: Notice | undefined;
  /** While connecting: what is still awaited. */
  readonly awaiting: "both" | "microphone" | "server" | "nothing";
  readonly session: SessionFacts | undefined;
}

export type Notice =
  | { readonly kind: "reconnecting" | "soundHeld" | "microphoneLost" | "offline" }
  | { readonly kind: "expiring"; readonly timeLeftMs: number }
  | { readonly kind: "tool"; readonly name: string };

export interface SessionFacts {
  readonly id: string;
  readonly model: string;
  readonly voice: string;
  readonly language: string;
  readonly simulated: boolean;
  /** When the server was ready, on the clock of `now`; undefined before. */
  readonly readySince: number | undefined;
  readonly endedAt: number | undefined;
  readonly startupMs: number;
  readonly turns: number;
  /** End of speech to first audio of the last answer, as the server saw it; 0 when unknown. */
  readonly responseMs: number;
  readonly lastWarning: string;
}

/** Loudness of both sides now, RMS 0 to 1. One object for the life of a call; read it when drawing. */
export interface Levels {
  microphone: number;
  speech: number;
}

/** Counters for the details on the page and for tests. */
export interface CallStats extends ConnectionCounts {
  readonly playedMs: number;
  readonly queuedMs: number;
  readonly underruns: number;
  readonly refusedSamples: number;
  /** Binary messages dropped because the person had interrupted that answer. */
  readonly discardedMessages: number;
  readonly protocolErrors: number;
}

/** The world of a call; tests give their own. */
export interface CallWorld {
  openAudio(events: AudioEvents): Audio;
  createSession(signal: AbortSignal): Promise<Admission>;
  openSocket(admission: Admission): Socket;
  /** Milliseconds of a clock that only goes forward. */
  now(): number;
}

/** How long "interrupted" is shown. */
const settleMs = 900;
/** How long "thinking" is shown to somebody whom the model does not answer: not everything that is loud is speech. */
const patienceMs = 12_000;
/** How long the server has to say goodbye. */
const farewellMs = 2500;

const idle: CallSnapshot = {
  status: "idle",
  muted: false,
  textOnly: false,
  captions: [],
  problem: undefined,
  notice: undefined,
  awaiting: "nothing",
  session: undefined,
};

/** What belongs to one conversation. Late answers to an earlier one find that it is no longer the current one. */
interface Run {
  readonly abort: AbortController;
  readonly connection: Connection;
  audio: Audio | undefined;
  microphone: Microphone | undefined;
  serverReady: boolean;
  /** An `error` or an early `session_ended`: it explains the close that follows. */
  problem: Problem | undefined;
  saidGoodbye: boolean;

  // Playback of the current answer. Samples are counted since the last clear ("epoch").
  speechHz: number;
  epoch: number;
  pushed: number;
  /** How much of `pushed` had been played when the last answer ended. */
  heardBefore: number;
  sounding: boolean;
  /** No more speech will come for this answer. */
  complete: boolean;
  /** The person interrupted: the rest of the answer is dropped until the server says `interrupted`. */
  discarding: boolean;
  discardedMessages: number;
  protocolErrors: number;
  report: PlaybackReport | undefined;
}

export class Call {
  readonly levels: Levels = { microphone: 0, speech: 0 };

  private snapshot = idle;
  private readonly listeners = new Set<() => void>();
  private captions = captions.noCaptions;
  private readonly detector = new SpeechDetector();
  private run: Run | undefined;
  private lastStats: CallStats | undefined;

  private readonly events: Event[] = [];
  private stepping = false;
  private settleTimer: ReturnType<typeof setTimeout> | undefined;
  private patienceTimer: ReturnType<typeof setTimeout> | undefined;
  private farewellTimer: ReturnType<typeof setTimeout> | undefined;

  constructor(private readonly world: CallWorld) {}

  // Bound, so that they can be handed to useSyncExternalStore.
  readonly subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };

  readonly getSnapshot = (): CallSnapshot => this.snapshot;

  /** Starts a conversation. Must be called inside a person's gesture, or the browser gives no sound. */
  start(options: { microphone: boolean } = { microphone: true }): void {
    if (this.run) return;
    this.captions = captions.noCaptions;
    this.update({
      ...idle,
      status: this.snapshot.status,
      textOnly: !options.microphone,
      awaiting: options.microphone ? "both" : "server",
    });
    this.dispatch("start");
  }

  /** Ends the conversation. The microphone is off when this returns. */
  hangUp(): void {
    this.dispatch("hangUp");
  }

  /** Cuts the answer short: silence at once, without waiting for the server. */
  interrupt(): void {
    this.dispatch("interrupt");
  }

  setMuted(muted: boolean): void {
    const run = this.run;
    if (!run || !isLive(this.snapshot.status) || this.snapshot.textOnly || muted === this.snapshot.muted) return;
    run.microphone?.setMuted(muted);
    this.levels.microphone = 0;
    this.update({ muted });
    // What was said before is a whole utterance now; without this the model would wait for its end.
    if (muted) this.finishUtterance(run);
  }

  /** Says that the person is done speaking, so that the answer need not wait for a silence. */
  answerNow(): void {
    if (this.run && this.snapshot.status === "listening" && !this.snapshot.muted) this.finishUtterance(this.run);
  }

  private finishUtterance(run: Run): void {
    run.connection.send({ type: "turn_complete" });
    if (this.detector.reset()) this.dispatch("speechEnded");
  }

  /** Says something in writing. False: there is no conversation to say it in, or the line is stalled. */
  sendText(text: string): boolean {
    const run = this.run;
    const words = text.trim();
    if (!run || words === "" || !isLive(this.snapshot.status) || this.snapshot.status === "connecting") return false;
    // Typing to somebody who speaks is an interruption.
    if (this.snapshot.status === "speaking") this.interrupt();
    if (!run.connection.send({ type: "text", text: words })) return false;
    this.caption(captions.typed(this.captions, words));
    this.dispatch("textSent");
    return true;
  }

  /** Asks the browser again to let sound flow; call it inside a gesture. */
  resumeSound(): void {
    this.run?.audio?.resume();
  }

  /** The device says that its network is gone or back. */
  networkChanged(online: boolean): void {
    if (!this.run || !isLive(this.snapshot.status)) return;
    this.run.connection.probe();
    if (!online) this.update({ notice: { kind: "offline" } });
    else this.clearNotice("offline");
  }

  /** Numbers of the current conversation, or of the last one. */
  stats(): CallStats | undefined {
    return this.run ? statsOf(this.run) : this.lastStats;
  }

  // --- The state table -----------------------------------------------------------------------------------------

  /** Takes an event. Effects may cause further events: those wait until the step is complete. */
  private dispatch(event: Event): void {
    this.events.push(event);
    if (this.stepping) return;
    this.stepping = true;
    try {
      for (let next = this.events.shift(); next; next = this.events.shift()) {
        const step = transition(this.snapshot.status, next);
        if (!step) continue;
        if (step.status !== this.snapshot.status) this.update({ status: step.status });
        for (const effect of step.effects) this.perform(effect);
      }
    } finally {
      this.stepping = false;
    }
  }

  private perform(effect: Effect): void {
    switch (effect) {
      case "open":
        return this.open();
      case "clearPlayback":
        return this.clearPlayback();
      case "sendInterrupt":
        if (this.run) {
          this.run.discarding = true;
          this.run.connection.send({ type: "interrupt" });
        }
        return this.caption(captions.cutShort(this.captions));
      case "sendEnd":
        return this.sendEnd();
      case "startSettling":
        this.settleTimer = setTimeout(() => this.dispatch("settled"), settleMs);
        return;
      case "stopSettling":
        return clearTimeout(this.settleTimer);
      case "startPatience":
        this.patienceTimer = setTimeout(() => this.dispatch("patienceOver"), patienceMs);
        return;
      case "stopPatience":
        return clearTimeout(this.patienceTimer);
      case "startFarewell":
        this.farewellTimer = setTimeout(() => this.dispatch("ended"), farewellMs);
        return;
      case "stopFarewell":
        return clearTimeout(this.farewellTimer);
      case "teardown":
        return this.teardown();
    }
  }

  // --- Beginning and end ---------------------------------------------------------------------------------------

  private open(): void {
    const connection: Connection = new Connection(
      { transcription: { input: true, output: true } },
      {
        message: (message) => this.current(run, () => this.onMessage(run, message)),
        audio: (pcm) => this.current(run, () => this.onSpeech(run, pcm)),
        protocolError: () => void run.protocolErrors++,
        closed: (how) => this.current(run, () => this.onClosed(run, how)),
      },
      this.world.now,
    );
    const run: Run = {
      abort: new AbortController(),
      connection,
      audio: undefined,
      microphone: undefined,
      serverReady: false,
      problem: undefined,
      saidGoodbye: false,
      speechHz: defaultSpeechHz,
      epoch: 0,
      pushed: 0,
      heardBefore: 0,
      sounding: false,
      complete: false,
      discarding: false,
      discardedMessages: 0,
      protocolErrors: 0,
      report: undefined,
    };
    this.run = run;
    this.detector.reset();
    try {
      run.audio = this.world.openAudio({
        report: (report) => this.current(run, () => this.onReport(run, report)),
        failed: () => this.current(run, () => this.fail(problemOf("audio_failed"))),
        suspended: (held) => this.current(run, () => this.onSoundHeld(held)),
      });
    } catch (error) {
      return this.fail(problemFrom(error, "audio_failed"));
    }
    // Side by side: the person answers the browser's question while the server dials the model.
    void this.openConnection(run);
    if (!this.snapshot.textOnly) void this.openMicrophone(run, run.audio);
  }

  private async openConnection(run: Run): Promise<void> {
    try {
      const admission = await this.world.createSession(run.abort.signal);
      if (this.run === run) run.connection.open(this.world.openSocket(admission));
    } catch (error) {
      this.current(run, () => this.fail(problemFrom(error, "server_unreachable")));
    }
  }

  private async openMicrophone(run: Run, audio: Audio): Promise<void> {
    try {
      const microphone = await audio.openMicrophone(
        {
          frame: (frame) => this.current(run, () => this.onFrame(run, frame)),
          lost: () => this.current(run, () => this.onMicrophoneLost()),
        },
        run.abort.signal,
      );
      if (this.run !== run || run.abort.signal.aborted) return microphone.close();
      run.microphone = microphone;
      microphone.setMuted(this.snapshot.muted);
      this.arrived(run);
    } catch (error) {
      this.current(run, () => this.fail(problemFrom(error, "audio_failed")));
    }
  }

  /** One of the two things that a conversation needs is there. */
  private arrived(run: Run): void {
    const microphone = this.snapshot.textOnly || run.microphone !== undefined;
    if (microphone && run.serverReady) {
      this.update({ awaiting: "nothing" });
      this.dispatch("ready");
      return;
    }
    this.update({ awaiting: microphone ? "server" : "microphone" });
  }

  private sendEnd(): void {
    const run = this.run;
    if (!run) return;
    run.abort.abort();
    run.microphone?.close();
    run.microphone = undefined;
    this.levels.microphone = 0;
    // Nothing to say goodbye to yet: whoever is still being dialled is simply left.
    if (this.snapshot.session === undefined || !run.connection.send({ type: "end_session" })) this.dispatch("ended");
  }

  private fail(problem: Problem): void {
    if (isLive(this.snapshot.status)) this.update({ problem });
    this.dispatch("failed");
  }

  private teardown(): void {
    const run = this.run;
    if (!run) return;
    this.lastStats = statsOf(run);
    this.run = undefined;
    run.abort.abort();
    run.connection.close();
    run.microphone?.close();
    run.audio?.close();
    this.levels.microphone = 0;
    this.levels.speech = 0;
    const session = this.snapshot.session;
    this.caption(captions.turnOver(this.captions, false));
    this.update({
      muted: false,
      notice: undefined,
      awaiting: "nothing",
      session: session && { ...session, endedAt: this.world.now() },
    });
  }

  private onClosed(run: Run, how: Closed): void {
    if (run.saidGoodbye && !run.problem) return this.dispatch("ended");
    this.fail(run.problem ?? problemOf(codeOfClose(how.code, how.opened)));
  }

  // --- Up: the microphone --------------------------------------------------------------------------------------

  private onFrame(run: Run, frame: MicrophoneFrame): void {
    if (this.snapshot.muted) return;
    this.levels.microphone = frame.level;
    // Before `session_ready` too: the server keeps what is said early and gives it to the model first.
    run.connection.sendAudio(frame.pcm);
    const change = this.detector.push(frame.level);
    if (change === "started") this.dispatch("speechStarted");
    if (change === "ended") this.dispatch("speechEnded");
  }

  private onMicrophoneLost(): void {
    this.run?.microphone?.close();
    this.levels.microphone = 0;
    this.update({ notice: { kind: "microphoneLost" }, textOnly: true, muted: false });
  }

  // --- Down: the model -----------------------------------------------------------------------------------------

  private onMessage(run: Run, m: ServerMessage): void {
    switch (m.type) {
      case "session_started":
        this.session({ id: m.sessionId });
        return;
      case "session_ready":
        run.serverReady = true;
        run.speechHz = m.outputHz;
        run.audio?.speaker.setRate(m.outputHz);
        this.session({
          id: m.sessionId,
          model: m.model,
          voice: m.voice,
          language: m.language,
          simulated: m.simulated,
          readySince: this.world.now(),
          startupMs: m.startupMs,
        });
        return this.arrived(run);
      case "input_transcript":
        this.caption(captions.heard(this.captions, m.text, m.final));
        if (m.final) this.dispatch("speechEnded");
        return;
      case "output_transcript":
      case "text_response":
        if (!run.discarding) this.caption(captions.said(this.captions, m.text));
        return;
      case "interrupted":
        if (run.discarding) {
          // The answer to our own `interrupt`: silence fell when the person asked for it.
          run.discarding = false;
          return;
        }
        // Models hold a turn open for as long as they believe that it is being played; here it may be over.
        this.caption(captions.cutShort(this.captions, run.complete && run.pushed === run.heardBefore));
        return this.dispatch("interrupted");
      case "generation_complete":
        return this.speechComplete(run);
      case "turn_complete":
        run.discarding = false;
        this.caption(captions.turnOver(this.captions, m.turn.interrupted));
        this.session({ turns: m.turn.index, ...(m.turn.responseMs > 0 ? { responseMs: m.turn.responseMs } : {}) });
        this.speechComplete(run);
        if (run.pushed === run.heardBefore) this.dispatch("turnEmpty");
        return;
      case "turn_restarted":
        run.discarding = false;
        this.caption(captions.restarted(this.captions));
        return this.dispatch("turnRestarted");
      case "voice_activity":
        return this.dispatch(m.state === "started" ? "speechStarted" : "speechEnded");
      case "session_updated":
        return this.session({ model: m.model, voice: m.voice, language: m.language });
      case "reconnecting":
        return this.update({ notice: { kind: "reconnecting" } });
      case "reconnected":
        return this.clearNotice("reconnecting");
      case "session_expiring":
        return this.update({ notice: { kind: "expiring", timeLeftMs: m.timeLeftMs } });
      case "tool_activity":
        if (m.state === "running") return this.update({ notice: { kind: "tool", name: m.name } });
        return this.clearNotice("tool");
      case "warning":
        return this.session({ lastWarning: `${m.code}: ${m.message}` });
      case "error":
        run.problem = problemOf(m.code, m.error);
        return;
      case "session_ended":
        run.saidGoodbye = true;
        // The close that follows is the end; ours would only cross it.
        if (m.reason !== "ended") run.problem ??= problemOf(m.reason);
        return;
      // This client declares no tools and does not resume yet.
      case "tool_call":
      case "tool_call_cancelled":
      case "session_resumed":
      case "resume_ticket":
      case "skipped":
      // Counted by the connection.
      case "ack":
      case "pong":
      case "usage":
      case "unknown":
        return;
    }
  }

  private onSpeech(run: Run, pcm: ArrayBuffer): void {
    if (run.discarding || this.snapshot.status === "ending") {
      run.discardedMessages++;
      return;
    }
    run.pushed += pcm.byteLength / 2;
    run.complete = false;
    run.audio?.speaker.push(pcm);
  }

  private speechComplete(run: Run): void {
    run.complete = true;
    run.audio?.speaker.end();
    this.checkPlayback(run);
  }

  private clearPlayback(): void {
    const run = this.run;
    if (!run) return;
    run.audio?.speaker.clear();
    run.epoch++;
    run.pushed = 0;
    run.heardBefore = 0;
    run.sounding = false;
    run.complete = false;
    this.levels.speech = 0;
  }

  private onReport(run: Run, report: PlaybackReport): void {
    run.report = report;
    this.levels.speech = report.level;
    this.checkPlayback(run);
  }

  /** Finds out from the last report whether an answer has begun or ended to sound. */
  private checkPlayback(run: Run): void {
    const report = run.report;
    // A report from before the last clear speaks of sound that is gone.
    if (report?.epoch !== run.epoch) return;
    const heard = report.received - report.queued;
    if (!run.sounding && heard > run.heardBefore) {
      run.sounding = true;
      this.dispatch("playbackStarted");
    }
    if (run.sounding && run.complete && heard === run.pushed) {
      run.sounding = false;
      run.heardBefore = heard;
      this.dispatch("playbackEnded");
    }
  }

  private onSoundHeld(held: boolean): void {
    if (held) this.update({ notice: { kind: "soundHeld" } });
    else this.clearNotice("soundHeld");
  }

  // --- The snapshot --------------------------------------------------------------------------------------------

  /** Runs `act` unless the conversation that it belongs to is over. */
  private current(run: Run, act: () => void): void {
    if (this.run === run) act();
  }

  private caption(next: captions.Captions): void {
    if (next === this.captions) return;
    this.captions = next;
    this.update({ captions: next.list });
  }

  private session(facts: Partial<SessionFacts>): void {
    this.update({ session: { ...(this.snapshot.session ?? noSession), ...facts } });
  }

  private clearNotice(kind: Notice["kind"]): void {
    if (this.snapshot.notice?.kind === kind) this.update({ notice: undefined });
  }

  private update(change: Partial<CallSnapshot>): void {
    this.snapshot = { ...this.snapshot, ...change };
    this.listeners.forEach((listener) => listener());
  }
}

const noSession: SessionFacts = {
  id: "",
  model: "",
  voice: "",
  language: "",
  simulated: false,
  readySince: undefined,
  endedAt: undefined,
  startupMs: 0,
  turns: 0,
  responseMs: 0,
  lastWarning: "",
};

function statsOf(run: Run): CallStats {
  const ms = (samples: number): number => Math.round((samples / run.speechHz) * 1000);
  return {
    ...run.connection.counts,
    playedMs: ms(run.report?.played ?? 0),
    queuedMs: ms(run.report?.queued ?? 0),
    underruns: run.report?.underruns ?? 0,
    refusedSamples: run.report?.refused ?? 0,
    discardedMessages: run.discardedMessages,
    protocolErrors: run.protocolErrors,
  };
}

function problemFrom(error: unknown, otherwise: string): Problem {
  return error instanceof ProblemError ? error.problem : problemOf(otherwise);
}

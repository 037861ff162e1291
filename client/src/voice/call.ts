// A call ties microphone, socket, speaker and the state table together. It knows no framework: a page subscribes and
// draws snapshots; sound and levels never pass through them.
import * as captions from "./captions";
import type { Closed } from "./connection";
import type { MicrophoneFrame } from "./framer";
import type { PlaybackReport } from "./player";
import { codeOfClose, problemOf, type Problem } from "./problem";
import type { ServerMessage } from "./protocol";
import { Run, type CallWorld } from "./run";
import { idle, noSession, readyFacts, type CallSnapshot, type CallStats, type Levels, type Notice, type SessionFacts } from "./snapshot";
import { SpeechDetector } from "./speech-detector";
import { isLive, transition, type Effect, type Event } from "./state";
import { Timers } from "./timers";

export class Call {
  readonly levels: Levels = { microphone: 0, speech: 0 };

  private snapshot = idle;
  private readonly listeners = new Set<() => void>();
  private captions = captions.noCaptions;
  /** What holds now, the newest last; that one is shown. */
  private notices: readonly Notice[] = [];
  private readonly detector = new SpeechDetector();
  private run: Run | undefined;
  private lastStats: CallStats | undefined;

  private readonly events: Event[] = [];
  private stepping = false;
  private readonly timers = new Timers((event) => this.dispatch(event));

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
    if (!online) this.notify({ kind: "offline" });
    else this.clearNotice("offline");
  }

  /** Numbers of the current conversation, or of the last one. */
  stats(): CallStats | undefined {
    return this.run?.stats() ?? this.lastStats;
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
        return this.timers.start("settled");
      case "stopSettling":
        return this.timers.stop("settled");
      case "startPatience":
        return this.timers.start("patienceOver");
      case "stopPatience":
        return this.timers.stop("patienceOver");
      case "startFarewell":
        return this.timers.start("ended");
      case "stopFarewell":
        return this.timers.stop("ended");
      case "teardown":
        return this.teardown();
    }
  }

  // --- Beginning and end ---------------------------------------------------------------------------------------

  private open(): void {
    const run: Run = new Run(this.world, {
      message: (message) => this.onMessage(run, message),
      speech: (pcm) => this.onSpeech(run, pcm),
      report: (report) => this.onReport(run, report),
      playback: (what) => {
        if (what === "playbackEnded") this.caption(captions.answerWhole(this.captions));
        this.dispatch(what);
      },
      frame: (frame) => this.onFrame(run, frame),
      microphoneOpened: (microphone) => {
        microphone.setMuted(this.snapshot.muted);
        this.arrived(run);
      },
      microphoneLost: () => this.onMicrophoneLost(run),
      soundHeld: (held) => (held ? this.notify({ kind: "soundHeld" }) : this.clearNotice("soundHeld")),
      failed: (problem) => this.fail(problem),
      closed: (how) => this.onClosed(run, how),
    });
    this.run = run;
    this.detector.reset();
    run.open(!this.snapshot.textOnly);
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
    run.silence();
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
    this.lastStats = run.stats();
    this.notices = [];
    this.run = undefined;
    run.close();
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
    if ((run.saidGoodbye || codeOfClose(how.code, how.opened) === "ended") && !run.problem) return this.dispatch("ended");
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

  private onMicrophoneLost(run: Run): void {
    run.microphone?.close();
    this.levels.microphone = 0;
    this.notify({ kind: "microphoneLost" });
    this.update({ textOnly: true, muted: false });
    // No silence will tell the model that the last sentence is over.
    this.finishUtterance(run);
  }

  // --- Down: the model -----------------------------------------------------------------------------------------

  private onMessage(run: Run, m: ServerMessage): void {
    switch (m.type) {
      case "session_started":
        this.session({ id: m.sessionId });
        return;
      case "session_ready":
        run.serverReady = true;
        run.answer.speechHz = m.outputHz;
        run.audio?.speaker.setRate(m.outputHz);
        this.session(readyFacts(m, this.world.now()));
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
        this.caption(captions.cutShort(this.captions, run.answer.complete && run.answer.empty));
        return this.dispatch("interrupted");
      case "generation_complete":
        this.speechComplete(run);
        if (run.answer.empty) this.caption(captions.answerWhole(this.captions));
        return;
      case "turn_complete": {
        // It may cross our `interrupt` on the way; then what is awaited now is the answer to what came after it.
        const cut = m.turn.interrupted || run.discarding;
        this.caption(captions.turnOver(this.captions, cut));
        this.session({ turns: m.turn.index, ...(m.turn.responseMs > 0 ? { responseMs: m.turn.responseMs } : {}) });
        this.speechComplete(run);
        if (run.answer.empty && !cut) this.dispatch("turnEmpty");
        return;
      }
      case "turn_restarted":
        this.caption(captions.restarted(this.captions));
        return this.dispatch("turnRestarted");
      case "voice_activity":
        return this.dispatch(m.state === "started" ? "speechStarted" : "speechEnded");
      case "session_updated":
        return this.session({ model: m.model, voice: m.voice, language: m.language });
      case "reconnecting":
        return this.notify({ kind: "reconnecting" });
      case "reconnected":
        if (m.replayedAudioMs > 0) this.caption(captions.replayed(this.captions));
        return this.clearNotice("reconnecting");
      case "session_expiring":
        return this.notify({ kind: "expiring", timeLeftMs: m.timeLeftMs });
      case "tool_activity":
        if (m.state === "running") return this.notify({ kind: "tool", name: m.name });
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
    run.answer.push(pcm.byteLength / 2);
    run.audio?.speaker.push(pcm);
  }

  private speechComplete(run: Run): void {
    run.answer.complete = true;
    run.audio?.speaker.end();
    run.answer.check();
  }

  private clearPlayback(): void {
    const run = this.run;
    if (!run) return;
    run.audio?.speaker.clear();
    run.answer.clear();
    this.levels.speech = 0;
  }

  private onReport(run: Run, report: PlaybackReport): void {
    run.answer.report = report;
    this.levels.speech = report.level;
    run.answer.check();
  }

  // --- The snapshot --------------------------------------------------------------------------------------------

  private caption(next: captions.Captions): void {
    if (next === this.captions) return;
    this.captions = next;
    this.update({ captions: next.list });
  }

  private session(facts: Partial<SessionFacts>): void {
    this.update({ session: { ...(this.snapshot.session ?? noSession), ...facts } });
  }

  private notify(notice: Notice): void {
    this.notices = [...this.notices.filter((x) => x.kind !== notice.kind), notice];
    this.update({ notice });
  }

  private clearNotice(kind: Notice["kind"]): void {
    this.notices = this.notices.filter((x) => x.kind !== kind);
    if (this.snapshot.notice?.kind === kind) this.update({ notice: this.notices.at(-1) });
  }

  private update(change: Partial<CallSnapshot>): void {
    this.snapshot = { ...this.snapshot, ...change };
    this.listeners.forEach((listener) => listener());
  }
}

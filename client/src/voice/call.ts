// A call ties microphone, socket, speaker and the state table together. It knows no framework: a page subscribes and
// draws snapshots; sound and levels never pass through them.
import { CallStore } from "./call-store";
import * as captions from "./captions";
import type { End } from "./connection";
import { Downlink } from "./downlink";
import type { MicrophoneFrame } from "./framer";
import { Kept } from "./kept";
import type { PlaybackReport } from "./player";
import { codeOfClose, problemOf, type Problem } from "./problem";
import type { SessionConfig } from "./protocol";
import { Run, type CallWorld } from "./run";
import type { Saved } from "./saved";
import type { CallSnapshot, CallStats, Levels, SimpleNotice } from "./snapshot";
import { SpeechDetector } from "./speech-detector";
import { isLive, transition, type Effect, type Event } from "./state";
import { Talk } from "./talk";
import { Timers } from "./timers";

/** How a conversation begins. */
export interface CallOptions {
  /** False: the conversation goes in writing. */
  readonly microphone: boolean;
  /** What the person wishes for; the server has defaults for the rest, and the last word. */
  readonly config?: SessionConfig;
}

/** Call is one person's conversation, and the next one after it: what can be asked of it, what to draw of it (`subscribe`, `getSnapshot`), and how loud it is (`levels`). */
export class Call {
  readonly levels: Levels = { microphone: 0, speech: 0 };

  private readonly store: CallStore;
  private readonly detector = new SpeechDetector();
  private readonly talk: Talk;
  private run: Run | undefined;
  /** What the next `open` goes on with. */
  private saved: Saved | undefined;
  private config: SessionConfig = {};
  private readonly kept: Kept;
  private lastStats: CallStats | undefined;

  private readonly events: Event[] = [];
  private stepping = false;
  private readonly timers = new Timers((event) => this.dispatch(event));

  constructor(private readonly world: CallWorld) {
    this.store = new CallStore(() => world.wall());
    this.kept = new Kept(world.keep, this.store, () => this.run);
    this.talk = new Talk(this.store, this.levels, {
      connection: () => this.run?.connection,
      dispatch: (event) => this.dispatch(event),
      unmute: () => this.setMuted(false),
      save: () => this.kept.save(),
    });
  }

  // Bound, so that they can be handed to useSyncExternalStore.
  readonly subscribe = (listener: () => void): (() => void) => this.store.subscribe(listener);

  readonly getSnapshot = (): CallSnapshot => this.store.snapshot;

  /** Starts a conversation. Must be called inside a person's gesture, or the browser gives no sound. */
  start({ microphone, config = {} }: CallOptions = { microphone: true }): void {
    if (this.run) return;
    this.kept.forget();
    this.config = config;
    const pushToTalk = config.vad?.mode === "manual";
    this.store.reset({ textOnly: !microphone, pushToTalk, awaiting: microphone ? "both" : "server" });
    this.dispatch("start");
  }

  /** Looks whether this page was in a conversation before it was reloaded, and offers to go on with it. */
  remember(): void {
    if (this.snapshot.status !== "idle" || this.snapshot.offer) return;
    const saved = this.kept.find();
    if (!saved) return;
    const session = { ...saved.session, endedAt: this.world.now() };
    this.store.reset({ textOnly: saved.textOnly, session, offer: "continue" }, saved.captions);
  }

  /** Goes on with the conversation that the snapshot offers. Must be called inside a person's gesture. */
  resume(): void {
    const saved = this.run ? undefined : this.kept.take();
    if (!saved) return;
    const { session, textOnly, muted, pushToTalk } = saved;
    this.saved = saved;
    this.store.reset({ session, textOnly, muted, pushToTalk, awaiting: textOnly ? "server" : "both" }, saved.captions);
    this.dispatch("start");
  }

  /** Ends the conversation. The microphone is off when this returns. */
  hangUp(): void {
    this.dispatch("hangUp");
  }

  /** The page is left, perhaps only to be reloaded: the microphone is off when this returns, the conversation is saved. */
  leave(): void {
    this.kept.offer("continue");
    this.dispatch("left");
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
    this.kept.save();
  }

  /** Says that the person is done speaking, so that the answer need not wait for a silence. */
  answerNow(): void {
    const { status, muted, pushToTalk } = this.snapshot;
    if (this.run && status === "listening" && !muted && !pushToTalk) this.finishUtterance(this.run);
  }

  /** Push-to-talk: the person begins to speak, which interrupts an answer; what they said just before is sent along. */
  beginTalking(): void {
    this.talk.begin();
  }

  /** The person is done speaking: the answer may begin. */
  endTalking(): void {
    this.talk.end();
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
    this.store.caption(captions.typed(this.store.captions, words));
    this.dispatch("textSent");
    return true;
  }

  /**
   * Wishes for another voice, language, instruction or VAD in mid-conversation. What holds then shows in the snapshot's session
   * (`session_updated`), as does a refusal (`lastWarning`). False: there is no conversation to change, or too much waits.
   */
  updateSession(config: SessionConfig): boolean {
    const run = this.run;
    if (!run || !isLive(this.snapshot.status)) return false;
    // The way of marking speech cannot change in the middle of it.
    if (config.vad?.mode) this.endTalking();
    if (run.connection.send({ type: "update_session", config }) === 0) return false;
    this.talk.wish(config.vad?.mode);
    return true;
  }

  /**
   * Shows the model a picture (base64), as soon as the line has room for it; a newer one takes the place of one that waits.
   * Undefined: none is to be shown any more.
   */
  sendPicture(picture: { readonly mimeType: string; readonly data: string } | undefined): void {
    const { status } = this.snapshot;
    if (isLive(status) && status !== "connecting") this.run?.connection.sendPicture(picture);
  }

  /** The person chose another microphone or speaker. */
  devicesChosen(): void {
    const { run } = this;
    run?.audio?.speakerChanged();
    // A device that is refused changes nothing: the one before goes on.
    if (run?.microphone) run.replaceMicrophone().catch(() => undefined);
  }

  /** The system has other devices: a microphone that was lost may be back. */
  devicesAppeared(): void {
    this.run?.audio?.devicesChanged();
    if (this.run && this.store.tells("microphoneLost")) this.findMicrophone(this.run);
  }

  /** Asks the browser again to let sound flow; call it inside a gesture. */
  resumeSound(): void {
    this.run?.audio?.resume();
  }

  /** The device says that its network is gone or back. */
  networkChanged(online: boolean): void {
    if (!this.run || !isLive(this.snapshot.status)) return;
    this.run.connection.nudge();
    this.told("offline", !online);
  }

  /** The person looks at the page again, or away from it; a page that is away may be ended without a word. */
  visibilityChanged(visible: boolean): void {
    if (!visible) return void this.kept.save();
    this.run?.connection.nudge();
    // After a telephone call sound comes back only to a page that asks for it.
    this.run?.audio?.resume();
  }

  /** Measures the way to the server and back; `stats` has the answer when it is there. */
  measure(): void {
    this.run?.connection.measure();
  }

  /** Numbers of the current conversation, or of the last one. */
  stats(): CallStats | undefined {
    return this.run?.stats() ?? this.lastStats;
  }

  private get snapshot(): CallSnapshot {
    return this.store.snapshot;
  }

  private update(change: Partial<CallSnapshot>): void {
    this.store.update(change);
  }

  private told(kind: SimpleNotice, holds: boolean): void {
    if (holds) this.store.notify({ kind });
    else this.store.clearNotice(kind);
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
          this.run.interruptNumber = this.run.connection.send({ type: "interrupt" });
        }
        return this.store.caption(captions.cutShort(this.store.captions));
      case "sendEnd":
        return this.sendEnd();
      case "letGo":
        return this.letGo();
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
    const { saved } = this;
    this.saved = undefined;
    const run: Run = new Run(this.world, {
      message: (message) => downlink.message(message),
      speech: (pcm) => downlink.speech(pcm),
      report: (report) => this.onReport(run, report),
      playback: (what) => {
        if (what === "playbackEnded") this.store.caption(captions.answerWhole(this.store.captions));
        this.dispatch(what);
      },
      frame: (frame) => this.onFrame(run, frame),
      microphoneOpened: (microphone) => {
        microphone.setMuted(this.snapshot.muted);
        this.told("microphoneHeld", false);
        this.arrived(run);
      },
      microphoneLost: () => this.onMicrophoneLost(run),
      microphoneHeld: (held) => this.told("microphoneHeld", held),
      sound: (how) => {
        this.told("soundHeld", how === "held");
        this.told("soundTaken", how === "taken");
      },
      failed: (problem) => this.fail(problem),
      ticket: () => this.kept.save(),
      resuming: (told) => this.told("resuming", told),
      closed: (how) => this.onClosed(run, how),
    }, this.config);
    const downlink = new Downlink(run, this.store, {
      // A person who holds the button has not finished, whatever was understood so far.
      dispatch: (event) => (event === "speechEnded" && this.snapshot.talking ? undefined : this.dispatch(event)),
      updated: () => this.talk.updated(),
      refused: (field) => this.talk.refused(field),
      serverReady: () => {
        run.serverReady = true;
        if (this.snapshot.status === "connecting") this.arrived(run);
      },
      settled: () => this.kept.save(),
      now: () => this.world.now(),
    });
    this.run = run;
    this.detector.reset();
    this.talk.reset();
    run.open(!this.snapshot.textOnly, saved);
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
    this.kept.forget();
    // Nothing to say goodbye to yet: whoever is still being dialled is simply left.
    if (!run.ticket && this.snapshot.session === undefined) return this.dispatch("ended");
    if (!run.connection.send({ type: "end_session" })) return this.dispatch("ended");
    // A line that is just being taken up again has a moment to say it.
    run.connection.hurry();
  }

  private fail(problem: Problem): void {
    if (isLive(this.snapshot.status)) this.update({ problem });
    this.dispatch("failed");
  }

  private teardown(): void {
    const run = this.run;
    if (!run) return;
    if (!this.snapshot.offer) this.kept.forget();
    run.close();
    this.over(run);
  }

  /** Leaves a conversation that can be taken up again. */
  private letGo(): void {
    const run = this.run;
    if (!run) return;
    if (run.ticket) run.leave();
    else run.close();
    this.over(run);
  }

  private over(run: Run): void {
    this.lastStats = run.stats();
    this.run = undefined;
    this.levels.microphone = 0;
    this.levels.speech = 0;
    this.store.clearNotices();
    this.store.caption(captions.turnOver(this.store.captions, false));
    const { session } = this.snapshot;
    this.talk.reset();
    this.update({
      muted: false,
      talking: false,
      awaiting: "nothing",
      session: session && { ...session, endedAt: this.world.now() },
    });
  }

  private onClosed(run: Run, how: End): void {
    const code = codeOfClose(how.code, how.opened || run.ticket !== undefined);
    if (how.gaveUp) {
      this.kept.offer("continue");
      return this.fail(problemOf("out_of_reach"));
    }
    if ((run.saidGoodbye || code === "ended") && !run.problem) return this.dispatch("ended");
    let problem = run.problem ?? problemOf(code);
    // It is the conversation's ticket that is too old, not the person that is unknown.
    if (problem.code === "unauthorized" && run.ticket) problem = problemOf("session_not_found");
    if (problem.code === "replaced") this.kept.offer("takeBack");
    this.fail(problem);
  }

  // --- Up: the microphone --------------------------------------------------------------------------------------

  private onFrame(run: Run, frame: MicrophoneFrame): void {
    if (this.snapshot.muted) return;
    if (this.talk.takes(frame, run.connection)) return;
    this.levels.microphone = frame.level;
    // Before `session_ready` too: the server keeps what is said early and gives it to the model first.
    run.connection.sendAudio(frame.pcm);
    const change = this.detector.push(frame.level);
    if (change === "started") this.dispatch("speechStarted");
    if (change === "ended") this.dispatch("speechEnded");
  }

  private onMicrophoneLost(run: Run): void {
    run.dropMicrophone();
    this.told("microphoneHeld", false);
    this.levels.microphone = 0;
    this.endTalking();
    // No silence will tell the model that the last sentence is over.
    this.finishUtterance(run);
    this.findMicrophone(run);
  }

  /** Another device may be there: a headset is unplugged, and the laptop has a microphone of its own. */
  private findMicrophone(run: Run): void {
    const current = (): boolean => this.run === run && isLive(this.snapshot.status);
    run.replaceMicrophone().then(
      () => {
        if (!current() || !this.snapshot.textOnly) return;
        this.store.clearNotice("microphoneLost");
        this.update({ textOnly: false });
      },
      () => {
        if (!current()) return;
        this.store.notify({ kind: "microphoneLost" });
        this.update({ textOnly: true, muted: false });
        if (this.snapshot.status === "connecting") this.arrived(run);
      },
    );
  }

  // --- The speaker ---------------------------------------------------------------------------------------------

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
}

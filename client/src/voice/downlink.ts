import type { CallStore } from "./call-store";
import * as captions from "./captions";
import { problemOf } from "./problem";
import type { ServerMessage } from "./protocol";
import type { Run } from "./run";
import { maxResponses, readyFacts } from "./snapshot";
import type { Event } from "./state";

/** Stands in the conversation where the model has lost its beginning. */
const memoryLost = "The model no longer remembers what was said before.";

/** What a downlink needs of the call that it belongs to. */
export interface DownlinkOwner {
  dispatch(event: Event): void;
  /** The server is ready, or was when this page had not been loaded yet. */
  serverReady(): void;
  /** What was wished for is in effect; or a wish is refused, or not possible with this model. */
  updated(): void;
  refused(field: string): void;
  /** A turn is over: a good moment to save the conversation. */
  settled(): void;
  now(): number;
}

/** Downlink is what the messages and the voice of the server mean for a call. */
export class Downlink {
  /** Content of an answer has come, and not all of it: there is something that could be lost. */
  private answering = false;
  /** All of it has come, and the turn has not been ended. Not every model ends one. */
  private generated = false;

  constructor(
    private readonly run: Run,
    private readonly store: CallStore,
    private readonly owner: DownlinkOwner,
  ) {}

  /** Takes samples of the model's voice. */
  speech(pcm: ArrayBuffer): void {
    const { run } = this;
    if (run.discarding || this.store.snapshot.status === "ending") {
      run.discardedMessages++;
      return;
    }
    this.content();
    run.answer.push(pcm.byteLength / 2);
    run.audio?.speaker.push(pcm);
  }

  message(m: ServerMessage): void {
    const { run, store, owner } = this;
    switch (m.type) {
      case "session_started":
        return store.session({ id: m.sessionId });
      case "session_ready":
        return this.ready(m);
      case "session_resumed":
        return this.resumed(m);
      case "input_transcript":
        this.caption(captions.heard(store.captions, m.text, m.final));
        if (m.final) owner.dispatch("speechEnded");
        return;
      case "output_transcript":
      case "text_response":
        if (run.discarding) return;
        // Captions may come behind all of what they belong to: they open no turn.
        if (m.type === "text_response" || !this.generated || !captions.answering(store.captions)) this.content();
        return this.caption(captions.said(store.captions, m.text));
      case "interrupted":
        return this.interrupted();
      case "generation_complete":
        this.generated ||= this.answering;
        this.answering = false;
        this.speechComplete();
        if (run.answer.empty) this.caption(captions.answerWhole(store.captions));
        return;
      case "turn_complete":
        return this.turnComplete(m);
      case "turn_restarted":
        return this.turnRestarted();
      case "voice_activity":
        return owner.dispatch(m.state === "started" ? "speechStarted" : "speechEnded");
      case "session_updated":
        store.session({ model: m.model, voice: m.voice, language: m.language });
        return owner.updated();
      case "reconnecting":
        return store.notify({ kind: "reconnecting" });
      case "reconnected":
        if (m.replayedAudioMs > 0) this.caption(captions.replayed(store.captions));
        return store.clearNotice("reconnecting");
      case "session_expiring":
        return store.notify({ kind: "expiring", timeLeftMs: m.timeLeftMs });
      case "tool_activity":
        if (m.state === "running") return store.notify({ kind: "tool", name: m.name });
        return store.clearNotice("tool");
      case "warning":
        if (m.field) owner.refused(m.field);
        if (m.code === "memory_lost") this.caption(captions.noted(store.captions, memoryLost));
        return store.session({ lastWarning: `${m.code}: ${m.message}` });
      case "error":
        run.problem = problemOf(m.code, m.error);
        return;
      case "session_ended":
        run.saidGoodbye = true;
        // The close that follows is the end; ours would only cross it.
        if (m.reason !== "ended") run.problem ??= problemOf(m.reason);
        return;
      // This client declares no tools.
      case "tool_call":
      case "tool_call_cancelled":
      // Heeded by the connection.
      case "resume_ticket":
      case "skipped":
      case "ack":
      case "pong":
      case "usage":
      case "unknown":
        return;
    }
  }

  private ready(m: Extract<ServerMessage, { type: "session_ready" }>): void {
    const { run, store, owner } = this;
    run.setSpeechHz(m.outputHz);
    // Another instance says it anew; the conversation is as old as it was.
    const readySince = store.snapshot.session?.readySince ?? owner.now();
    store.session(readyFacts(m, readySince));
    owner.serverReady();
  }

  private resumed(m: Extract<ServerMessage, { type: "session_resumed" }>): void {
    const { run, store, owner } = this;
    // What an `error` said before was about the line, not about the conversation.
    run.problem = undefined;
    store.session({ id: m.sessionId });
    // Another connection to the model, perhaps on another instance; that may have been told on a line that broke again.
    if (m.lost === null || m.upstream !== "kept") {
      // If it knows of our `interrupt` only by what it remembers, it has no answer to stop, and will not say that it did.
      if (m.received >= run.interruptNumber) run.discarding = false;
      // What it hears once more it may write down once more.
      this.caption(captions.replayed(store.captions));
    }
    store.clearNotice("reconnecting");
    owner.serverReady();
  }

  private interrupted(): void {
    const { run, store, owner } = this;
    this.answering = this.generated = false;
    if (run.discarding) {
      // The answer to our own `interrupt`: silence fell when the person asked for it.
      run.discarding = false;
      return;
    }
    // Models hold a turn open for as long as they believe that it is being played; here it may be over.
    this.caption(captions.cutShort(store.captions, run.answer.complete && run.answer.empty));
    owner.dispatch("interrupted");
  }

  private turnComplete({ turn }: Extract<ServerMessage, { type: "turn_complete" }>): void {
    const { run, store, owner } = this;
    this.answering = this.generated = false;
    // It may cross our `interrupt` on the way; then what is awaited now is the answer to what came after it.
    const cut = turn.interrupted || run.discarding;
    this.caption(captions.turnOver(store.captions, cut));
    const { responseMs } = turn;
    const responses = [...(store.snapshot.session?.responses ?? []), responseMs].slice(-maxResponses);
    store.session({ turns: turn.index, ...(responseMs > 0 ? { responseMs, responses } : {}) });
    this.speechComplete();
    if (run.answer.empty && !cut) owner.dispatch("turnEmpty");
    owner.settled();
  }

  private turnRestarted(): void {
    // An instance that takes a session over cannot know whether the answer was whole; here it is known.
    if (!this.answering) return this.caption(captions.answerKept(this.store.captions, true));
    this.answering = false;
    this.caption(captions.restarted(this.store.captions));
    this.owner.dispatch("turnRestarted");
  }

  /** A piece of an answer: behind a whole one it is the next one's. */
  private content(): void {
    if (this.generated) this.caption(captions.answerKept(this.store.captions, false));
    this.generated = false;
    this.answering = true;
  }

  private speechComplete(): void {
    const { run } = this;
    run.answer.complete = true;
    run.audio?.speaker.end();
    run.answer.check();
  }

  private caption(next: captions.Captions): void {
    this.store.caption(next);
  }
}

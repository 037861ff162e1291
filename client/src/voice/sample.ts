// A voice, heard before it is chosen: a short conversation in writing with the same server, for one spoken answer.
import { Call } from "./call";
import type { Problem } from "./problem";
import type { SessionConfig } from "./protocol";
import type { CallWorld } from "./run";

/** What the voice is asked to answer. */
const question = "Hello! Please say in one short sentence who you are.";

/** A sample that is not over by then is cut. */
const longestMs = 20_000;

export interface SampleEvents {
  /** It sounds; `simulated`: what one hears is not that voice. */
  sounding(simulated: boolean): void;
  /** Whole, cut, or never begun, for a reason. Nothing is called afterwards. */
  over(problem: Problem | undefined): void;
}

/** Plays a sample of the voice that `config` names; returns what stops it. Must be called inside a person's gesture. */
export function playSample(world: Omit<CallWorld, "keep">, config: SessionConfig, events: SampleEvents): () => void {
  // The page's own conversation is the one that a reload goes on with.
  const keep = { read: () => undefined, write: () => undefined, clear: () => undefined };
  const call = new Call({ ...world, keep });
  const timer = setTimeout(() => call.hangUp(), longestMs);
  let asked = false;
  let sounding = false;
  const leave = call.subscribe(() => {
    const { status, problem, session } = call.getSnapshot();
    switch (status) {
      case "listening":
        if (sounding) return call.hangUp();
        if (asked) return;
        asked = true;
        call.sendText(question);
        return;
      case "speaking":
        if (sounding) return;
        sounding = true;
        return events.sounding(session?.simulated ?? false);
      case "ended":
      case "failed":
        leave();
        clearTimeout(timer);
        return events.over(problem);
      default:
        return;
    }
  });
  call.start({ microphone: false, config });
  return () => call.hangUp();
}

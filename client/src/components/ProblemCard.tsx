import type { Call } from "@/voice/call";
import type { Problem } from "@/voice/problem";
import type { Offer } from "@/voice/snapshot";
import { KeyboardIcon } from "./icons";
import { NextTry } from "./NextTry";
import { OfferButtons } from "./OfferButtons";
import { Report } from "./Report";

/** A full server is asked again after this long, where it does not say itself. */
const usualWaitMs = 10_000;

interface ProblemCardProps {
  call: Call;
  problem: Problem;
  /** Of the session that it ended, if there was one. */
  sessionId: string | undefined;
  offer: Offer | undefined;
  /** Starts a conversation in writing. */
  onType: () => void;
  onStart: () => void;
}

/** What went wrong, and the next step. */
export function ProblemCard({ call, problem, sessionId, offer, onType, onStart }: ProblemCardProps) {
  const full = problem.code === "at_capacity";
  return (
    <div role="alert" data-problem={problem.code} className="flex max-w-sm flex-col items-center text-center">
      <h2 className={`text-2xl font-semibold tracking-tight text-balance ${problem.tone === "error" ? "text-danger" : ""}`}>
        {problem.title}
      </h2>
      <p className="mt-2 leading-relaxed text-pretty text-muted">
        {problem.detail} {!full && <span className="text-ink">{problem.next}</span>}
      </p>
      {problem.canType && (
        <button
          type="button"
          onClick={onType}
          className="mt-5 inline-flex h-12 items-center gap-2 rounded-full border border-line bg-surface px-5 font-medium hover:border-stone"
        >
          <KeyboardIcon className="size-5" /> Type instead
        </button>
      )}
      {full && <NextTry afterMs={problem.retryAfterMs ?? usualWaitMs} otherwise={problem.next} onTry={onStart} />}
      {offer && <OfferButtons call={call} offer={offer} />}
      <Report code={problem.code} sessionId={sessionId} className="mt-5" />
    </div>
  );
}

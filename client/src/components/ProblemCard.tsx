import type { Call } from "@/voice/call";
import type { Problem } from "@/voice/problem";
import type { Offer } from "@/voice/snapshot";
import { KeyboardIcon } from "./icons";
import { OfferButtons } from "./OfferButtons";

interface ProblemCardProps {
  call: Call;
  problem: Problem;
  offer: Offer | undefined;
  /** Starts a conversation in writing. */
  onType: () => void;
}

/** What went wrong, and the next step. */
export function ProblemCard({ call, problem, offer, onType }: ProblemCardProps) {
  return (
    <div role="alert" data-problem={problem.code} className="flex max-w-sm flex-col items-center text-center">
      <h2 className={`text-2xl font-semibold tracking-tight text-balance ${problem.tone === "error" ? "text-danger" : ""}`}>
        {problem.title}
      </h2>
      <p className="mt-2 leading-relaxed text-pretty text-muted">
        {problem.detail} <span className="text-ink">{problem.next}</span>
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
      {offer && <OfferButtons call={call} offer={offer} />}
    </div>
  );
}

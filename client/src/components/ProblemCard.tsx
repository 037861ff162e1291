import type { Call } from "@/voice/call";
import type { Problem } from "@/voice/problem";
import { KeyboardIcon } from "./icons";
import { StartAnew } from "./StartAnew";

/** What went wrong, and the next step; `resumable`: that is to go on with the conversation. */
export function ProblemCard({ call, problem, resumable }: { call: Call; problem: Problem; resumable: boolean }) {
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
          onClick={() => call.start({ microphone: false })}
          className="mt-5 inline-flex h-12 items-center gap-2 rounded-full border border-line bg-surface px-5 font-medium hover:border-stone"
        >
          <KeyboardIcon className="size-5" /> Type instead
        </button>
      )}
      {resumable && <StartAnew call={call} />}
    </div>
  );
}

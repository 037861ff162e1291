import { useRef, useState } from "react";
import type { Manner } from "@/ops/api";
import { groupsOf } from "@/ops/groups";
import type { Session } from "@/ops/stats";
import type { Watch } from "@/ops/watch";
import { duration } from "../words";
import { EndDialog } from "./EndDialog";
import { GroupTable } from "./Tables";
import { dollars, number, shortId, times } from "./words";

/** Drawn at once; the rest of a full server would only make the page slow, and is in the log. */
const maxRows = 200;

/** The conversations of this instance, the oldest first, and a way to end each. */
export function SessionList({ watch, sessions }: { watch: Watch; sessions: readonly Session[] }) {
  const [ending, setEnding] = useState<Session>();
  const heading = useRef<HTMLHeadingElement>(null);
  const decide = (manner: Manner | undefined): void => {
    if (ending && manner) {
      void watch.end(ending.id, manner);
      // The button that was pressed is about to go; the keyboard goes on at the list's beginning.
      heading.current?.focus();
    }
    setEnding(undefined);
  };
  return (
    <section aria-labelledby="sessions" className="rounded-2xl border border-line bg-surface p-4">
      <h2 id="sessions" ref={heading} tabIndex={-1} className="text-lg font-semibold tracking-tight">
        Live conversations
      </h2>
      {sessions.length === 0 ? (
        <p className="mt-2 text-sm text-muted">Nobody is talking. A conversation appears here when somebody begins one.</p>
      ) : (
        <div className="mt-3 flex flex-col gap-5">
          <GroupTable groups={groupsOf(sessions)} />
          <ul className="border-t border-line">
            {sessions.slice(0, maxRows).map((session) => (
              <Row key={session.id} session={session} onEnd={() => setEnding(session)} />
            ))}
          </ul>
          {sessions.length > maxRows && (
            <p className="text-sm text-muted">
              {number(sessions.length - maxRows)} more are not shown; the oldest {maxRows} are.
            </p>
          )}
        </div>
      )}
      {ending && <EndDialog session={ending} onClose={decide} />}
    </section>
  );
}

function Row({ session: s, onEnd }: { session: Session; onEnd: () => void }) {
  const n = (name: string): number => s.counters[name] ?? 0;
  const about = [s.backend + (s.simulated ? " (simulated)" : ""), s.assistant, s.variant, s.model, s.voice, s.userId, s.address].filter(Boolean);
  const facts = [
    n("turns") === 1 ? "1 turn" : `${number(n("turns"))} turns`,
    n("interruptions") > 0 ? `${number(n("interruptions"))} interrupted` : "",
    n("renewals") > 0 ? `renewed ${times(n("renewals"))}` : "",
    n("resumes") > 0 ? `resumed ${times(n("resumes"))}` : "",
    n("lostAudioMs") + n("uplinkDroppedMs") > 0 ? `${number(n("lostAudioMs") + n("uplinkDroppedMs"))} ms lost` : "",
    `${number(s.usage.inputTokens + s.usage.outputTokens)} tokens`,
    s.usage.costUsd === undefined ? "" : dollars(s.usage.costUsd),
  ].filter(Boolean);
  return (
    <li data-session={s.id} className="grid grid-cols-[1fr_auto] items-center gap-x-4 gap-y-1 border-b border-line py-3 text-sm last:border-b-0 last:pb-0">
      <p className="min-w-0">
        {/* Whole: it is what the log and the person's own details call the conversation. */}
        <code className="text-[0.8125rem] font-medium wrap-anywhere select-all">{s.id}</code>{" "}
        <span className="ml-1 rounded-full bg-sunken px-2 py-0.5 text-xs text-muted">{s.state}</span>{" "}
        <span className="ml-1 text-muted tabular-nums">
          <span className="sr-only">lasts </span>
          {duration(s.durationMs)}
        </span>
      </p>
      <button
        type="button"
        onClick={onEnd}
        aria-label={`End conversation ${shortId(s.id)}`}
        className="row-span-2 h-10 rounded-full border border-danger/40 px-4 font-medium text-danger hover:border-danger"
      >
        End
      </button>
      <p className="min-w-0 text-muted wrap-anywhere">
        {about.join(" · ")}
        <br className="sm:hidden" />
        <span className="hidden sm:inline"> · </span>
        {facts.join(" · ")}
      </p>
    </li>
  );
}

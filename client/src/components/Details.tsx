import { useEffect, useState } from "react";
import type { Call } from "@/voice/call";
import { median, type CallSnapshot, type CallStats } from "@/voice/snapshot";
import { isLive } from "@/voice/state";
import { showInspector } from "@/hooks/use-inspector";
import { ChevronIcon } from "./icons";
import { duration } from "./words";

/** What somebody needs who asks for help, or who wants to know: the session's id and its numbers. */
export function Details({ call, snapshot }: { call: Call; snapshot: CallSnapshot }) {
  const [open, setOpen] = useState(false);
  const stats = useStats(call, open, isLive(snapshot.status));
  const session = snapshot.session;
  if (!session?.id) return null;

  const facts: [string, string][] = [
    ["Session", session.id],
    ["Model", session.model + (session.simulated ? " (simulated)" : "")],
    ["Voice", [session.voice, session.language].filter(Boolean).join(", ")],
    ["Ready after", session.readySince === undefined ? "" : `${Math.round(session.startupMs)} ms`],
    ["Last answer after", session.responseMs > 0 ? `${Math.round(session.responseMs)} ms` : ""],
    ["Answers usually after", session.responses.length > 1 ? `${Math.round(median(session.responses) ?? 0)} ms` : ""],
    ["Way to the server", stats && stats.rttMs > 0 ? `${stats.rttMs} ms and back` : ""],
    ["Longest duration", session.maxDurationMs > 0 ? duration(session.maxDurationMs) : ""],
    ["Messages", stats ? `${stats.sent} sent, ${stats.received} received` : ""],
    ["Lost on the way", stats ? `${stats.dropped + stats.skipped} messages, ${stats.underruns} gaps` : ""],
    ["Reconnected", stats && stats.resumed > 0 ? `${stats.resumed} ×` : ""],
    ["Last warning", session.lastWarning],
  ];
  return (
    <details
      className="group relative text-sm"
      onToggle={(event) => setOpen(event.currentTarget.open)}
    >
      <summary className="flex list-none items-center gap-1 rounded-full px-2 py-1.5 text-muted [&::-webkit-details-marker]:hidden">
        Details <ChevronIcon className="size-4 transition-transform group-open:rotate-180" />
      </summary>
      <dl className="fixed inset-x-5 top-12 z-10 grid max-h-[calc(100dvh-4rem)] grid-cols-[auto_1fr] gap-x-4 gap-y-1.5 overflow-y-auto rounded-2xl border border-line bg-surface p-4 text-left shadow-lg sm:absolute sm:inset-x-auto sm:top-full sm:right-0 sm:mt-2 sm:w-88">
        {facts.map(([name, value]) =>
          value ? (
            <div key={name} className="contents">
              <dt className="text-muted">{name}</dt>
              <dd className="wrap-anywhere" data-fact={name}>
                {value}
              </dd>
            </div>
          ) : null,
        )}
        <dt className="text-muted">Every message</dt>
        <dd>
          <button type="button" onClick={() => showInspector(true)} className="font-medium underline underline-offset-2">
            Open the inspector
          </button>
        </dd>
      </dl>
    </details>
  );
}

/** The call's counters, once a second while somebody looks at them. */
function useStats(call: Call, open: boolean, live: boolean): CallStats | undefined {
  const [stats, setStats] = useState<CallStats>();
  useEffect(() => {
    if (!open) return;
    const read = (): void => setStats(call.stats());
    read();
    if (!live) return;
    const timer = setInterval(read, 1000);
    return () => clearInterval(timer);
  }, [call, open, live]);
  return stats;
}

import { useEffect, useRef } from "react";
import type { Entry } from "@/voice/tap";
import { clock, nameOf, pretty, size, summaryOf } from "./words";

/** Closer to the end than this, the list follows; a reader who scrolled up is left alone. */
const followWithinPx = 60;

/** The newest entries, the oldest of them first; messages open to show their content. */
export function EntryList({ entries, from, none }: { entries: readonly Entry[]; from: number; none: string }) {
  const ref = useRef<HTMLDivElement>(null);
  const following = useRef(true);
  useEffect(() => {
    const list = ref.current;
    if (list && following.current) list.scrollTop = list.scrollHeight;
  }, [entries]);

  return (
    <div
      ref={ref}
      role="region"
      aria-label="Messages"
      tabIndex={0}
      onScroll={(event) => {
        const list = event.currentTarget;
        following.current = list.scrollHeight - list.scrollTop - list.clientHeight < followWithinPx;
      }}
      className="relative min-h-0 flex-1 overflow-y-auto overscroll-contain rounded-lg border border-line bg-paper font-mono text-xs -outline-offset-3!"
    >
      {entries.length === 0 ? (
        <p className="p-3 font-sans text-muted">{none}</p>
      ) : (
        <ol>
          {entries.map((entry) => (
            <Row key={entry.id} entry={entry} from={from} />
          ))}
        </ol>
      )}
    </div>
  );
}

function Row({ entry, from }: { entry: Entry; from: number }) {
  const way = entry.kind === "line" ? undefined : entry.way;
  const line = (
    <>
      <span className="w-16 shrink-0 text-right text-muted tabular-nums">{clock(entry.at - from)}</span>
      <span aria-hidden="true" className={`w-3 shrink-0 ${way === "up" ? "text-slate" : "text-leaf"}`}>
        {way === undefined ? "•" : way === "up" ? "↑" : "↓"}
      </span>
      {way && <span className="sr-only">{way === "up" ? "sent" : "received"}</span>}
      <span className="shrink-0 font-medium">{nameOf(entry)}</span>
      <span className="min-w-0 flex-1 truncate text-muted">{summaryOf(entry)}</span>
      {entry.kind !== "line" && <span className="shrink-0 text-muted tabular-nums">{size(entry.bytes)}</span>}
    </>
  );
  const shape = "flex items-baseline gap-2 px-3 py-1";
  return (
    <li data-entry={entry.kind === "message" ? entry.type : entry.kind} data-way={way} className="border-b border-line last:border-b-0">
      {entry.kind === "message" ? (
        <details>
          <summary className={`${shape} list-none -outline-offset-3! hover:bg-sunken [&::-webkit-details-marker]:hidden`}>{line}</summary>
          <pre className="px-3 pt-1 pb-3 wrap-anywhere whitespace-pre-wrap">{pretty(entry.text)}</pre>
        </details>
      ) : (
        <p className={`${shape} ${entry.kind === "line" ? "bg-sunken" : ""}`}>{line}</p>
      )}
    </li>
  );
}

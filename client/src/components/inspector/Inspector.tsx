import { useEffect, useRef, useState, type ReactNode } from "react";
import { showInspector, tap } from "@/hooks/use-inspector";
import { exported, type Entry } from "@/voice/tap";
import { EntryList } from "./EntryList";
import { everything, matching, type Filter } from "./filter";
import { Plots } from "./Plots";

/** How often the record is looked at. Nothing is drawn for each message. */
const everyMs = 300;

/** Drawn at once; the export has all. */
const maxRows = 400;

/** What a developer opens first when something is odd: every message of the conversation, and how sound flows. */
export default function Inspector() {
  const [filter, setFilter] = useState<Filter>(everything);
  const { entries, now } = useRecord();
  const box = useRef<HTMLElement>(null);
  useEffect(() => {
    // Newer browsers answer with a promise, which is no cleanup.
    void box.current?.scrollIntoView({ block: "nearest" });
  }, []);

  const shown = matching(entries, filter);
  const rows = shown.slice(-maxRows);
  const { forgotten } = tap.entries;
  const change = (part: Partial<Filter>): void => setFilter((before) => ({ ...before, ...part }));
  return (
    <section ref={box} aria-label="Inspector" data-inspector className="flex h-[min(85dvh,40rem)] shrink-0 flex-col gap-3 border-t border-line bg-surface p-4 wide:h-[min(42dvh,26rem)]">
      <div className="flex flex-wrap items-center gap-2 text-sm">
        <h2 className="mr-2 font-semibold tracking-tight">Inspector</h2>
        <input
          type="search"
          aria-label="Filter"
          placeholder="Filter by name or content"
          value={filter.text}
          onChange={(event) => change({ text: event.target.value })}
          // Here it empties the filter; on the page it interrupts the answer.
          onKeyDown={(event) => {
            if (event.key === "Escape") event.stopPropagation();
          }}
          className="h-9 min-w-32 flex-1 rounded-full border border-line bg-paper px-3 placeholder:text-muted wide:max-w-72"
        />
        <select
          aria-label="Direction"
          value={filter.way}
          onChange={(event) => change({ way: event.target.value as Filter["way"] })}
          className="h-9 rounded-full border border-line bg-paper px-3"
        >
          <option value="both">Both ways</option>
          <option value="up">Sent</option>
          <option value="down">Received</option>
        </select>
        <Check label="Sound" checked={filter.sound} onChange={(sound) => change({ sound })} />
        <Check label="ack, ping" checked={filter.routine} onChange={(routine) => change({ routine })} />
        <div className="ml-auto flex gap-2">
          <Action onPress={() => tap.clear()}>Clear</Action>
          <Action onPress={() => download(tap.list())}>Export</Action>
          <Action onPress={() => showInspector(false)}>Close</Action>
        </div>
      </div>
      <Plots up={tap.frames.up.list()} down={tap.frames.down.list()} buffer={tap.buffer.list()} now={now} />
      <EntryList entries={rows} from={entries[0]?.at ?? 0} none={entries.length > 0 ? "Nothing matches the filter." : "What goes over the line appears here."} />
      <p data-counts className="-my-1 text-xs text-muted">
        {shown.length} of {entries.length} shown{shown.length > maxRows ? `, of them the newest ${maxRows}` : ""}
        {forgotten > 0 ? `; ${forgotten} older ones were forgotten` : ""}. Tickets are taken out; what was said is not. Closing stops the recording.
      </p>
    </section>
  );
}

/** The record, as it was at the last look. */
function useRecord(): { entries: readonly Entry[]; now: number } {
  const [record, setRecord] = useState<{ entries: readonly Entry[]; now: number }>({ entries: [], now: 0 });
  useEffect(() => {
    const look = (): void => setRecord({ entries: tap.list(), now: performance.now() });
    look();
    const timer = setInterval(look, everyMs);
    return () => clearInterval(timer);
  }, []);
  return record;
}

function Check({ label, checked, onChange }: { label: string; checked: boolean; onChange: (checked: boolean) => void }) {
  return (
    <label className="flex h-9 items-center gap-1.5 px-1 text-muted">
      <input type="checkbox" checked={checked} onChange={(event) => onChange(event.target.checked)} className="size-4 accent-ink" />
      {label}
    </label>
  );
}

function Action({ children, onPress }: { children: ReactNode; onPress: () => void }) {
  return (
    <button type="button" onClick={onPress} className="h-9 rounded-full border border-line px-3 font-medium hover:border-stone">
      {children}
    </button>
  );
}

/** Hands the record to the person as a file. */
function download(entries: readonly Entry[]): void {
  const url = URL.createObjectURL(new Blob([exported(entries)], { type: "application/jsonl" }));
  const link = document.createElement("a");
  link.href = url;
  link.download = `stonepot-${new Date().toISOString().slice(0, 19).replaceAll(":", "-")}.jsonl`;
  link.click();
  // The browser has its own hold of it once the click is through.
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

import { useEffect, useRef } from "react";
import { useOps } from "@/hooks/use-ops";
import type { Watch, OpsSnapshot } from "@/ops/watch";
import { Logo } from "../icons";
import { Charts, SinceStart, Tiles } from "./Figures";
import { KeyForm } from "./KeyForm";
import { SessionList } from "./SessionList";
import { listTroubleWords, outcomeWords, span, troubleWords } from "./words";

/** The operator's page: what this instance is doing, and a way to end a conversation. */
export function OpsPage() {
  const { watch, snapshot } = useOps();
  const { stats, trouble, outcome } = snapshot;
  const state = trouble ?? (stats ? "live" : "loading");
  const heading = useRef<HTMLHeadingElement>(null);
  const asked = useRef(false);
  useEffect(() => {
    // The form that took the key is gone: the keyboard goes on above the figures.
    if (asked.current && state === "live" && document.activeElement === document.body) heading.current?.focus();
    if (state !== "loading") asked.current = state === "keyWanted";
  }, [state]);
  return (
    <div data-ops={state} data-status={state === "live" ? "listening" : "connecting"} className="min-h-dvh pb-12">
      <header className="mx-auto flex h-14 max-w-360 items-center justify-between gap-3 px-5 wide:px-8">
        {/* A plain link: the talk page is another program, and loads whole. */}
        {/* eslint-disable-next-line @next/next/no-html-link-for-pages */}
        <a href="/" className="flex items-center gap-2.5 font-semibold tracking-tight">
          <Logo className="size-6 text-ember" /> Stonepot
        </a>
        <div className="flex items-center gap-3 text-sm text-muted">
          {stats && <Freshness trouble={trouble !== undefined} uptimeMs={stats.uptimeMs} />}
          {snapshot.hasKey && (
            <button type="button" onClick={() => watch.forgetKey()} className="rounded-full border border-line px-3 py-1.5 whitespace-nowrap hover:border-stone">
              Forget the key
            </button>
          )}
        </div>
      </header>
      <main className="mx-auto flex max-w-360 flex-col gap-6 px-5 pt-2 wide:px-8">
        <h1 ref={heading} tabIndex={-1} className={stats ? "text-2xl font-semibold tracking-tight" : "sr-only"}>Operator</h1>
        <p role="status" data-outcome={outcome?.result} className="rounded-xl bg-sunken px-4 py-2 text-sm empty:hidden">
          {outcome && outcomeWords(outcome)}
        </p>
        {trouble && <TroubleCard watch={watch} snapshot={snapshot} trouble={trouble} />}
        {!stats && !trouble && <p className="py-24 text-center text-muted">Asking the server…</p>}
        {stats && <Dashboard watch={watch} snapshot={snapshot} stats={stats} />}
      </main>
    </div>
  );
}

function Freshness({ trouble, uptimeMs }: { trouble: boolean; uptimeMs: number }) {
  return (
    <p className="flex items-center gap-2 whitespace-nowrap">
      <span className={`size-2 rounded-full ${trouble ? "bg-danger" : "bg-leaf"}`} aria-hidden="true" />
      {trouble ? "Not live" : "Live"}
      {!trouble && <span className="-ml-2 max-sm:hidden">, up for {span(uptimeMs)}</span>}
    </p>
  );
}

/** Why there is nothing new, and the next step; alone on the page where nothing was ever seen. */
function TroubleCard({ watch, snapshot, trouble }: { watch: Watch; snapshot: OpsSnapshot; trouble: NonNullable<OpsSnapshot["trouble"]> }) {
  const words = troubleWords(trouble, snapshot.hasKey);
  const alone = snapshot.stats === undefined;
  return (
    <section
      role="alert"
      data-trouble={trouble}
      className={alone ? "mx-auto flex max-w-md flex-col items-center py-16 text-center" : "rounded-2xl border border-danger/40 bg-surface p-4"}
    >
      <h2 className={alone ? "text-2xl font-semibold tracking-tight text-balance" : "font-semibold text-danger"}>{words.title}</h2>
      <p className={`leading-relaxed text-pretty text-muted ${alone ? "mt-2" : "mt-1 text-sm"}`}>{words.detail}</p>
      {trouble === "keyWanted" ? (
        <KeyForm watch={watch} wrong={snapshot.hasKey} alone={alone} />
      ) : (
        <button type="button" onClick={() => watch.again()} className={`${alone ? "mt-6" : "mt-3"} h-11 rounded-full border border-line bg-surface px-5 font-medium hover:border-stone`}>
          Look again now
        </button>
      )}
    </section>
  );
}

function Dashboard({ watch, snapshot, stats }: { watch: Watch; snapshot: OpsSnapshot; stats: NonNullable<OpsSnapshot["stats"]> }) {
  const { history, sessions, listTrouble, hasKey } = snapshot;
  return (
    <>
      <Tiles stats={stats} />
      {history.restarted && (
        <p data-restarted className="-mb-3 text-sm text-muted">
          The charts begin anew: the server was started again, or another instance answers. Each instance tells its own figures.
        </p>
      )}
      <section aria-label="Charts">
        <Charts history={history} />
      </section>
      {sessions && <SessionList watch={watch} sessions={sessions} />}
      {listTrouble && (
        <section aria-label="Live conversations" data-list-trouble={listTrouble} className="rounded-2xl border border-line bg-surface p-4">
          <h2 className="text-lg font-semibold tracking-tight">Live conversations</h2>
          <p className="mt-1 text-sm text-muted">{listTroubleWords(listTrouble, hasKey)}</p>
          {listTrouble === "keyWanted" && <KeyForm watch={watch} wrong={hasKey} alone={false} />}
        </section>
      )}
      <section aria-labelledby="since-start" className="flex flex-col gap-3">
        <h2 id="since-start" className="text-lg font-semibold tracking-tight">
          Since the start
        </h2>
        <SinceStart stats={stats} />
      </section>
    </>
  );
}

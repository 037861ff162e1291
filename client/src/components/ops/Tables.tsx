import type { ReactNode } from "react";
import { sum, type Counts, type Stats } from "@/ops/stats";
import type { Group } from "@/ops/groups";
import { dollars, latency, latencyWords, milliseconds, number, reasonWords } from "./words";

/** A titled card; everything on the page below the charts is in one. */
export function Card({ title, children, className = "" }: { title: string; children: ReactNode; className?: string }) {
  return (
    <section aria-label={title} data-card={title} className={`min-w-0 rounded-2xl border border-line bg-surface p-4 ${className}`}>
      <h3 className="text-sm font-medium">{title}</h3>
      <div className="mt-3 text-sm">{children}</div>
    </section>
  );
}

/** Numbers by name, the largest first, with what the names mean where they are reasons. */
export function CountList({ title, counts, none, reasons = false }: { title: string; counts: Counts; none: string; reasons?: boolean }) {
  const all = sum(counts);
  const rows = Object.entries(counts).sort(([a, x], [b, y]) => y - x || a.localeCompare(b));
  return (
    <Card title={title}>
      {rows.length === 0 ? (
        <p className="text-muted">{none}</p>
      ) : (
        <dl className="flex flex-col gap-2.5">
          {rows.map(([name, n]) => (
            <div key={name} data-count={name} className="grid grid-cols-[1fr_auto] gap-x-3">
              <dt className="min-w-0 wrap-anywhere">
                <code className="text-[0.8125rem]">{name || "(none)"}</code> {reasons && <span className="text-muted">{reasonWords(name)}</span>}
              </dt>
              <dd className="font-medium tabular-nums">{number(n)}</dd>
              <dd aria-hidden="true" className="col-span-2 mt-1 h-1 overflow-hidden rounded-full bg-sunken">
                <svg viewBox="0 0 100 1" preserveAspectRatio="none" className="size-full fill-stone">
                  <rect width={all > 0 ? (n / all) * 100 : 0} height={1} />
                </svg>
              </dd>
            </div>
          ))}
        </dl>
      )}
    </Card>
  );
}

/** Facts with a name each; those without a value are left out. */
export function FactList({ title, facts, children }: { title: string; facts: readonly (readonly [name: string, value: string | undefined])[]; children?: ReactNode }) {
  return (
    <Card title={title}>
      {children}
      <dl className="grid grid-cols-[1fr_auto] gap-x-4 gap-y-1.5">
        {facts.map(([name, value]) =>
          value === undefined ? null : (
            <div key={name} data-fact={name} className="contents">
              <dt className="text-muted">{name}</dt>
              <dd className="text-right tabular-nums">{value}</dd>
            </div>
          ),
        )}
      </dl>
    </Card>
  );
}

const cell = "py-1 pl-2 text-right sm:pl-3 tabular-nums";

/** A table that scrolls by itself where the page is narrow, by keyboard too. */
export function Scroller({ label, children }: { label: string; children: ReactNode }) {
  return (
    <div role="region" aria-label={label} tabIndex={0} className="overflow-x-auto -outline-offset-3!">
      {children}
    </div>
  );
}

export function LatencyTable({ latencies }: { latencies: Stats["latencies"] }) {
  return (
    <Card title="Delays since the start" className="sm:col-span-2">
      <Scroller label="Delays">
        <table className="w-full">
          <thead className="text-muted">
            <tr>
              <th scope="col" className="py-1 text-left font-normal">
                <span className="sr-only">What</span>
              </th>
              {["Median", "90 %", "99 %", "Longest", "Count"].map((name) => (
                <th key={name} scope="col" className={`${cell} font-normal whitespace-nowrap`}>
                  {name}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {Object.entries(latencies).map(([name, l]) => (
              <tr key={name} data-latency={name}>
                <th scope="row" className="py-1 text-left font-normal sm:whitespace-nowrap">
                  {latencyWords(name)}
                </th>
                {[l.p50, l.p90, l.p99, l.max].map((value, i) => (
                  <td key={i} className={`${cell} whitespace-nowrap`}>
                    {l.count > 0 ? latency(name, value) : "–"}
                  </td>
                ))}
                <td className={cell}>{number(l.count)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </Scroller>
    </Card>
  );
}

export function PoolTable({ pools }: { pools: Stats["warmPool"] }) {
  const columns = ["idle", "hits", "misses", "dead"] as const;
  const backends = Object.entries(pools);
  return (
    <Card title="Warm connections">
      {backends.length === 0 ? (
        <p className="text-muted">None are kept.</p>
      ) : (
        <table className="w-full">
          <thead className="text-muted">
            <tr>
              <th scope="col" className="py-1 text-left font-normal">
                Backend
              </th>
              {["Ready", "Hits", "Misses", "Dead"].map((name) => (
                <th key={name} scope="col" className={`${cell} font-normal`}>
                  {name}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {backends.map(([backend, pool]) => (
              <tr key={backend} data-pool={backend}>
                <th scope="row" className="py-1 text-left font-normal">
                  {backend}
                </th>
                {columns.map((name) => (
                  <td key={name} className={cell}>
                    {number(pool[name] ?? 0)}
                  </td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </Card>
  );
}

/** The live conversations by what they talk with. Columns that no server fills are not drawn. */
export function GroupTable({ groups }: { groups: readonly Group[] }) {
  const variants = groups.some((g) => g.variant !== "");
  const costs = groups.some((g) => g.costUsd !== undefined);
  const head = ["Live", "Turns", "Interrupted", "Renewals", "Resumed", "Lost", "Tokens", ...(costs ? ["Cost"] : [])];
  return (
    <Scroller label="Live conversations by backend and assistant">
      <table className="w-full text-sm">
        <thead className="text-muted">
          <tr>
            {["Backend", "Assistant", ...(variants ? ["Variant"] : [])].map((name) => (
              <th key={name} scope="col" className="py-1 pr-3 text-left font-normal">
                {name}
              </th>
            ))}
            {head.map((name) => (
              <th key={name} scope="col" className={`${cell} font-normal`}>
                {name}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {groups.map((g) => (
            <tr key={`${g.backend} ${g.assistant} ${g.variant}`} data-group={`${g.backend}/${g.assistant}`}>
              <th scope="row" className="py-1 pr-3 text-left font-normal">
                {g.backend}
              </th>
              <td className="py-1 pr-3 wrap-anywhere">{g.assistant || "–"}</td>
              {variants && <td className="py-1 pr-3 wrap-anywhere">{g.variant || "–"}</td>}
              {[g.sessions, g.turns, g.interruptions, g.renewals, g.resumes].map((n, i) => (
                <td key={i} className={cell}>
                  {number(n)}
                </td>
              ))}
              <td className={`${cell} whitespace-nowrap`}>{milliseconds(g.lostMs)}</td>
              <td className={cell}>{number(g.tokens)}</td>
              {costs && <td className={cell}>{g.costUsd === undefined ? "–" : dollars(g.costUsd)}</td>}
            </tr>
          ))}
        </tbody>
      </table>
    </Scroller>
  );
}

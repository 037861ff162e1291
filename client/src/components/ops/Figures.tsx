import { ended, lostMs, perMinute, series, type History } from "@/ops/history";
import { sum, type Latency, type Stats } from "@/ops/stats";
import { Chart } from "./Chart";
import { CountList, FactList, LatencyTable, PoolTable } from "./Tables";
import { dollars, milliseconds, number, rate, span, startsWords } from "./words";

/** The numbers that are looked at first. */
export function Tiles({ stats: s }: { stats: Stats }) {
  const response = s.latencies["responseMs"];
  const measured = response !== undefined && response.count > 0;
  const tiles: [name: string, value: string, more: string][] = [
    ["Live now", number(s.active), s.detached > 0 ? `${number(s.detached)} wait for their browser` : `at most ${number(s.peak)} so far`],
    ["Started", number(s.total), `in ${span(s.uptimeMs)}`],
    ["Ended", number(ended(s)), `${number(sum(s.refused))} refused`],
    ["Answer delay", measured ? milliseconds(response.p50) : "–", measured ? `99 % within ${milliseconds(response.p99)}` : "nothing measured yet"],
    ["Speech lost", milliseconds(lostMs(s)), `${number(s.counters["resumes"] ?? 0)} browsers came back`],
    s.usage.costUsd === undefined
      ? ["Tokens", number(s.usage.inputTokens + s.usage.outputTokens), `${number(s.usage.inputTokens)} in, ${number(s.usage.outputTokens)} out`]
      : ["Cost", dollars(s.usage.costUsd), `${number(s.usage.inputTokens)} tokens in, ${number(s.usage.outputTokens)} out`],
  ];
  return (
    <dl aria-label="Figures" className="grid grid-cols-2 gap-3 sm:grid-cols-3 xl:grid-cols-6">
      {tiles.map(([name, value, more]) => (
        <div key={name} data-tile={name} className="flex flex-col rounded-2xl border border-line bg-surface p-4">
          <dt className="text-sm text-muted">{name}</dt>
          <dd data-value className="mt-1 text-2xl font-semibold tracking-tight tabular-nums">
            {value}
          </dd>
          <dd className="mt-0.5 text-xs text-muted">{more}</dd>
        </div>
      ))}
    </dl>
  );
}

const percentile = (of: keyof Latency) => (s: Stats): number | undefined => {
  const response = s.latencies["responseMs"];
  return response && response.count > 0 ? response[of] : undefined;
};

/** What has happened while the page looked. */
export function Charts({ history }: { history: History }) {
  const counter = (name: string) => (s: Stats): number => s.counters[name] ?? 0;
  return (
    <div className="grid gap-3 sm:grid-cols-2 xl:grid-cols-3">
      <Chart
        title="Conversations"
        format={number}
        least={5}
        lines={[
          { name: "talking", points: series(history, (s) => s.active - s.detached) },
          { name: "waiting for their browser", points: series(history, (s) => s.detached) },
        ]}
      />
      <Chart
        title="Starts and ends a minute"
        format={rate}
        least={5}
        lines={[
          { name: "started", points: perMinute(history, (s) => s.total) },
          { name: "ended", points: perMinute(history, ended) },
          { name: "refused", points: perMinute(history, (s) => sum(s.refused)) },
        ]}
      />
      <Chart
        title="Answer delay since the start"
        format={milliseconds}
        least={500}
        lines={[
          { name: "median", points: series(history, percentile("p50")) },
          { name: "90 %", points: series(history, percentile("p90")) },
          { name: "99 %", points: series(history, percentile("p99")) },
        ]}
      />
      <Chart
        title="Reconnects a minute"
        format={rate}
        least={5}
        lines={[
          { name: "browsers came back", points: perMinute(history, counter("resumes")) },
          { name: "model connections renewed", points: perMinute(history, counter("renewals")) },
          { name: "answers restarted", points: perMinute(history, counter("turnsRestarted")) },
        ]}
      />
      <Chart
        title="Speech lost a minute"
        format={milliseconds}
        least={1000}
        lines={[
          { name: "by renewals", points: perMinute(history, counter("lostAudioMs")) },
          { name: "not taken by the model", points: perMinute(history, counter("uplinkDroppedMs")) },
        ]}
      />
      <Chart
        title="Tokens a minute"
        format={number}
        least={100}
        lines={[
          { name: "in", points: perMinute(history, (s) => s.usage.inputTokens) },
          { name: "out", points: perMinute(history, (s) => s.usage.outputTokens) },
        ]}
      />
    </div>
  );
}

/** Everything that has been counted since the server's start. */
export function SinceStart({ stats: s }: { stats: Stats }) {
  const n = (name: string): string | undefined => (s.counters[name] === undefined ? undefined : number(s.counters[name]));
  const ms = (name: string): string | undefined => (s.counters[name] === undefined ? undefined : milliseconds(s.counters[name]));
  return (
    <div className="grid gap-3 sm:grid-cols-2 xl:grid-cols-4">
      <LatencyTable latencies={s.latencies} />
      <CountList title="Why conversations ended" counts={s.byReason} none="None has ended." reasons />
      <CountList title="Refused" counts={s.refused} none="Nobody was refused." reasons />
      {Object.entries(s.starts).map(([name, counts]) => (
        <CountList key={name} title={startsWords(name)} counts={counts} none="None has started." />
      ))}
      <FactList
        title="Browsers that came back"
        facts={[
          ["Resumed", n("resumes")],
          ["Messages sent again", n("downlinkRepeated")],
          ["Messages not kept", n("downlinkSkipped")],
          ["Given up by browsers", n("uplinkSkipped")],
          ["Slow writes", n("slowWrites")],
        ]}
      />
      <FactList
        title="Connections to the model"
        facts={[
          ["Renewed", n("renewals")],
          ["… because it was silent", n("watchdogRenewals")],
          ["… without its memory", n("freshConnections")],
          ["Answers restarted", n("turnsRestarted")],
          ["Speech given again", ms("replayedAudioMs")],
          ["Speech lost", ms("lostAudioMs")],
        ]}
      />
      <PoolTable pools={s.warmPool} />
      <FactList
        title="Speech and turns"
        facts={[
          ["Turns", n("turns")],
          ["Interruptions", n("interruptions")],
          ["Speech of people", ms("uplinkAudioMs")],
          ["Speech of models", ms("downlinkAudioMs")],
          ["Not taken by the model", ms("uplinkDroppedMs")],
          ["Cut by interruptions", ms("downlinkDroppedMs")],
          ["Warnings", n("warnings")],
        ]}
      />
      <FactList
        title="Tokens"
        facts={[
          ["In", number(s.usage.inputTokens)],
          ["Out", number(s.usage.outputTokens)],
          ...Object.entries(s.usage.byModality).map(([kind, count]) => [`… ${modality(kind)}`, number(count)] as const),
          ["Cost", s.usage.costUsd === undefined ? undefined : dollars(s.usage.costUsd)],
        ]}
      />
    </div>
  );
}

/** `inputAudio` as "audio in". */
function modality(kind: string): string {
  return kind.replace(/^(in|out)put(.*)$/, (_, way: string, what: string) => `${what.toLowerCase()} ${way}`);
}

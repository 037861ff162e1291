import { areaPath, linePath, roundUp, type Extent, type Point } from "@/charts/geometry";
import type { BufferSample, FrameSample } from "@/voice/tap";
import { bufferOf, gapsOf, windowMs, type Gaps } from "./timing";
import { ms } from "./words";

const box = { width: 300, height: 48 };

interface PlotsProps {
  readonly up: readonly FrameSample[];
  readonly down: readonly FrameSample[];
  readonly buffer: readonly BufferSample[];
  readonly now: number;
}

/** Frame timing of both directions and the playback queue, over the last half minute. */
export function Plots({ up, down, buffer, now }: PlotsProps) {
  const queue = bufferOf(buffer, now);
  return (
    <div className="grid gap-3 sm:grid-cols-3">
      <GapPlot title="Sent frames" gaps={gapsOf(up, now)} now={now} />
      <GapPlot title="Received frames" gaps={gapsOf(down, now)} now={now} />
      <Plot
        title="Playback buffer"
        points={queue?.points ?? []}
        now={now}
        least={100}
        area
        marks={queue?.underruns ?? []}
        facts={queue ? `now ${ms(queue.now)}, at most ${ms(queue.highest)}, ${queue.total === 1 ? "1 underrun" : `${queue.total} underruns`}` : "nothing was played"}
      />
    </div>
  );
}

function GapPlot({ title, gaps, now }: { title: string; gaps: Gaps | undefined; now: number }) {
  const facts = gaps ? `median ${ms(gaps.median)}, 95 % ${ms(gaps.p95)}, longest ${ms(gaps.longest)}` : "none";
  return <Plot title={title} points={gaps?.points ?? []} now={now} least={50} facts={facts} />;
}

interface PlotProps {
  readonly title: string;
  readonly points: readonly Point[];
  readonly now: number;
  readonly least: number;
  readonly facts: string;
  readonly area?: boolean;
  /** Times of trouble, drawn as bars. */
  readonly marks?: readonly number[];
}

function Plot({ title, points, now, least, facts, area = false, marks = [] }: PlotProps) {
  const top = roundUp(points.reduce((high, [, value]) => Math.max(high, value ?? 0), least));
  const extent: Extent = { from: now - windowMs, to: now, top };
  return (
    <figure data-plot={title} className="min-w-0">
      <figcaption className="flex flex-wrap items-baseline justify-between gap-x-2 text-xs">
        <span className="font-medium">{title}</span>
        <span data-facts className="text-muted tabular-nums">
          {facts}
        </span>
      </figcaption>
      <svg
        role="img"
        aria-label={`${title} of the last ${windowMs / 1000} seconds, up to ${ms(top)}: ${facts}`}
        viewBox={`0 -2 ${box.width} ${box.height + 4}`}
        preserveAspectRatio="none"
        className="mt-1 h-12 w-full rounded-lg bg-sunken"
      >
        {marks.map((at) => {
          const x = ((at - extent.from) / windowMs) * box.width;
          return <line key={at} data-underrun x1={x} x2={x} y1={0} y2={box.height} className="stroke-danger" strokeWidth={2} vectorEffect="non-scaling-stroke" />;
        })}
        {area && <path d={areaPath(points, extent, box)} className="fill-leaf" fillOpacity={0.2} />}
        <path d={linePath(points, extent, box)} fill="none" className={area ? "stroke-leaf" : "stroke-slate"} strokeWidth={1.2} vectorEffect="non-scaling-stroke" />
      </svg>
    </figure>
  );
}

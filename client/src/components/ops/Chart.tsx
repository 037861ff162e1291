import { areaPath, extentOf, linePath, type Point } from "@/charts/geometry";
import { span } from "./words";

/** How a line looks: told apart by dashes too, for whoever does not see the colours. */
const looks = [
  { stroke: "stroke-leaf", fill: "fill-leaf", mark: "border-leaf", dash: undefined, border: "border-solid" },
  { stroke: "stroke-slate", fill: "fill-slate", mark: "border-slate", dash: "5 3", border: "border-dashed" },
  { stroke: "stroke-ember", fill: "fill-ember", mark: "border-ember", dash: "1.5 3", border: "border-dotted" },
] as const;

export interface Line {
  readonly name: string;
  readonly points: readonly Point[];
}

const box = { width: 320, height: 84 };

/** A small chart of up to three lines over the time that the page has looked, the newest values beside their names. */
export function Chart({ title, lines, format, least = 1 }: { title: string; lines: readonly Line[]; format: (value: number) => string; least?: number }) {
  const extent = extentOf(lines.map((line) => line.points), least);
  const latest = lines.map(({ name, points }) => {
    const value = points.at(-1)?.[1] ?? null;
    return { name, text: value === null ? "–" : format(value) };
  });
  const said = latest.map(({ name, text }) => `${name} ${text}`).join(", ");
  return (
    <figure data-chart={title} className="flex min-w-0 flex-col rounded-2xl border border-line bg-surface p-4">
      <figcaption className="text-sm font-medium">{title}</figcaption>
      <div className="mt-3 flex gap-2">
        <svg
          role="img"
          aria-label={`${title}, the last ${span(extent.to - extent.from)}, up to ${format(extent.top)}. Now: ${said}.`}
          viewBox={`0 -2 ${box.width} ${box.height + 4}`}
          preserveAspectRatio="none"
          className="h-22 min-w-0 flex-1"
        >
          {[0, 0.5, 1].map((part) => (
            <line key={part} x1={0} x2={box.width} y1={box.height * part} y2={box.height * part} className="stroke-line" vectorEffect="non-scaling-stroke" />
          ))}
          {lines.length === 1 && <path d={areaPath(lines[0]!.points, extent, box)} className={looks[0].fill} fillOpacity={0.12} />}
          {lines.map(({ name, points }, i) => (
            <path
              key={name}
              data-line={name}
              d={linePath(points, extent, box)}
              className={looks[i % looks.length]!.stroke}
              fill="none"
              strokeWidth={1.8}
              strokeLinejoin="round"
              strokeDasharray={looks[i % looks.length]!.dash}
              vectorEffect="non-scaling-stroke"
            />
          ))}
        </svg>
        <div aria-hidden="true" className="flex flex-col justify-between text-xs text-muted tabular-nums">
          <span>{format(extent.top)}</span>
          <span>0</span>
        </div>
      </div>
      <ul aria-hidden="true" className="mt-2 flex flex-wrap gap-x-4 gap-y-1 text-xs text-muted">
        {latest.map(({ name, text }, i) => (
          <li key={name} className="flex items-center gap-1.5">
            <span className={`w-4 border-t-2 ${looks[i % looks.length]!.mark} ${looks[i % looks.length]!.border}`} />
            {name} <span className="font-medium text-ink tabular-nums">{text}</span>
          </li>
        ))}
      </ul>
    </figure>
  );
}

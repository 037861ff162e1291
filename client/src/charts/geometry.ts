// The geometry of a small chart. No library: two functions make the paths of every chart of this client.

/** A value at a time, in milliseconds; null: there was none. */
export type Point = readonly [at: number, value: number | null];

export interface Box {
  readonly width: number;
  readonly height: number;
}

/** What both axes span. */
export interface Extent {
  readonly from: number;
  readonly to: number;
  readonly top: number;
}

/** The shortest time that a chart shows, unless it is told: a single look would be a line from nowhere to nowhere. */
const shortest = 60_000;

/** The extent that holds all series; the top is a round number above the largest value, at least `least`. */
export function extentOf(all: readonly (readonly Point[])[], least = 1, shortestMs = shortest): Extent {
  let from = Infinity;
  let to = -Infinity;
  let top = least;
  for (const points of all) {
    for (const [at, value] of points) {
      from = Math.min(from, at);
      to = Math.max(to, at);
      if (value !== null) top = Math.max(top, value);
    }
  }
  if (to < from) return { from: 0, to: shortestMs, top: roundUp(top) };
  return { from: Math.min(from, to - shortestMs), to, top: roundUp(top) };
}

/** The next of 1, 2, 5, 10, 20, … that is not smaller. */
export function roundUp(value: number): number {
  if (value <= 0) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  const step = [1, 2, 5, 10].find((x) => x * power >= value * (1 - 1e-9)) ?? 10;
  return step * power;
}

/** The `d` of a line through the points; it breaks where there is no value. */
export function linePath(points: readonly Point[], extent: Extent, box: Box): string {
  let path = "";
  let pen = "M";
  for (const [at, value] of points) {
    if (value === null) {
      pen = "M";
      continue;
    }
    path += `${pen}${place(at, value, extent, box)}`;
    pen = "L";
  }
  return path;
}

/** The `d` of the area below the points; it breaks where the line does. */
export function areaPath(points: readonly Point[], extent: Extent, box: Box): string {
  let path = "";
  let from = 0;
  for (let i = 0; i <= points.length; i++) {
    if (i < points.length && points[i]![1] !== null) continue;
    const piece = points.slice(from, i);
    if (piece.length > 1) path += `${linePath(piece, extent, box)}L${place(piece.at(-1)![0], 0, extent, box)}L${place(piece[0]![0], 0, extent, box)}Z`;
    from = i + 1;
  }
  return path;
}

function place(at: number, value: number, { from, to, top }: Extent, { width, height }: Box): string {
  const x = ((at - from) / (to - from)) * width;
  const y = height - (value / top) * height;
  return `${round(x)} ${round(y)}`;
}

function round(x: number): number {
  return Math.round(x * 10) / 10;
}

import { useEffect, useState } from "react";
import type { Call } from "@/voice/call";
import { qualityOf, type Quality as Level } from "@/voice/quality";
import { isLive } from "@/voice/state";

const lookMs = 2000;

/** How the line does, while there is a conversation; it is drawn only when something is wrong with it. */
export function Quality({ call, live }: { call: Call; live: boolean }) {
  const [quality, setQuality] = useState<Level>("good");
  useEffect(() => {
    if (!live) return;
    let underruns = call.stats()?.underruns ?? 0;
    const look = (): void => {
      const stats = call.stats();
      const { status, notice } = call.getSnapshot();
      if (!stats || !isLive(status)) return;
      setQuality(
        qualityOf({
          rttMs: stats.rttMs,
          unacknowledged: stats.sent - stats.acknowledged,
          underran: stats.underruns > underruns,
          lost: notice?.kind === "resuming",
        }),
      );
      underruns = stats.underruns;
      // A page that nobody sees need not know.
      if (!document.hidden) call.measure();
    };
    const first = setTimeout(() => call.measure(), lookMs / 4);
    const timer = setInterval(look, lookMs);
    return () => {
      clearTimeout(first);
      clearInterval(timer);
    };
  }, [call, live]);

  if (!live || quality === "good") return null;
  const bars = quality === "fair" ? 2 : 1;
  return (
    <span role="img" aria-label={quality === "fair" ? "Connection: fair" : "Connection: poor"} data-quality={quality} className="flex h-4 items-end gap-0.5">
      {[1, 2, 3].map((bar) => (
        <span key={bar} style={{ height: `${bar * 33}%` }} className={`w-1 rounded-xs ${bar <= bars ? (quality === "poor" ? "bg-danger" : "bg-ember") : "bg-line"}`} />
      ))}
    </span>
  );
}

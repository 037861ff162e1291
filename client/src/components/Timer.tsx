import { useEffect, useState } from "react";
import type { SessionFacts } from "@/voice/snapshot";
import { duration } from "./words";

/** When so much is left, that is shown instead: soon enough to come to an end, late enough not to hurry anybody. */
const nearEndMs = 5 * 60_000;

/** How long the conversation has lasted; near its limit how long it may still last. It is not announced: a clock that speaks every second helps nobody. */
export function Timer({ session }: { session: SessionFacts | undefined }) {
  const since = session?.readySince;
  const until = session?.endedAt;
  const [now, setNow] = useState(0);

  useEffect(() => {
    if (since === undefined || until !== undefined) return;
    const tick = (): void => setNow(performance.now());
    tick();
    const timer = setInterval(tick, 1000);
    return () => clearInterval(timer);
  }, [since, until]);

  if (since === undefined) return null;
  const lastedMs = (until ?? now) - since;
  const { maxDurationMs = 0 } = session ?? {};
  const leftMs = maxDurationMs - lastedMs;
  if (maxDurationMs > 0 && until === undefined && now > 0 && leftMs < Math.min(nearEndMs, maxDurationMs / 2)) {
    return (
      <span role="timer" aria-label="Time left" className="text-sm font-medium text-ember tabular-nums">
        {duration(leftMs)} left
      </span>
    );
  }
  return (
    <span role="timer" aria-label="Duration" className="text-sm text-muted tabular-nums">
      {duration(lastedMs)}
    </span>
  );
}

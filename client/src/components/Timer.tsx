"use client";

import { useEffect, useState } from "react";
import type { SessionFacts } from "@/voice/snapshot";
import { duration } from "./words";

/** How long the conversation has lasted. It is not announced: a clock that speaks every second helps nobody. */
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
  return (
    <span role="timer" aria-label="Duration" className="text-sm text-muted tabular-nums">
      {duration((until ?? now) - since)}
    </span>
  );
}

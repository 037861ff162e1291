import { useEffect, useRef, useState } from "react";

/** Many wait for the same place: they do not come back in step. */
const spread = 0.3;

interface NextTryProps {
  afterMs: number;
  /** What the person can do who does not want to wait. */
  otherwise: string;
  onTry: () => void;
}

/** Counts down to the next try, and makes it, unless the person does not want that. */
export function NextTry({ afterMs, otherwise, onTry }: NextTryProps) {
  const [left, setLeft] = useState<number>();
  const [waiting, setWaiting] = useState(true);
  const next = useRef(onTry);
  useEffect(() => void (next.current = onTry), [onTry]);

  useEffect(() => {
    if (!waiting) return;
    const at = performance.now() + afterMs * (1 + Math.random() * spread);
    const tick = (): void => {
      const ms = at - performance.now();
      setLeft(Math.max(0, Math.ceil(ms / 1000)));
      // Nobody is called into a conversation that they do not see.
      if (ms <= 0 && !document.hidden) next.current();
    };
    tick();
    const timer = setInterval(tick, 250);
    return () => clearInterval(timer);
  }, [waiting, afterMs]);

  if (!waiting) return <p>{otherwise}</p>;
  if (left === undefined) return null;
  return (
    <p className="mt-4 flex flex-wrap items-center justify-center gap-x-3 gap-y-1 text-sm">
      {/* Not announced: the alert says what happens, and a clock that speaks every second helps nobody. */}
      <span role="timer" aria-live="off" data-next-try={left} className="tabular-nums">
        Next try in {left} s
      </span>
      <button type="button" onClick={() => setWaiting(false)} className="font-semibold underline underline-offset-2">
        Stop trying
      </button>
    </p>
  );
}

import { useEffect, useRef, useState } from "react";
import type { Caption } from "@/voice/captions";
import { DownIcon } from "./icons";
import { timeOfDay } from "./words";

/** Closer to the end than this, the list follows the conversation; a reader who scrolled up is left alone. */
const followWithinPx = 80;

/** Both sides of the conversation as text, growing as the pieces come. */
export function CaptionList({ captions, announce }: { captions: readonly Caption[]; announce: boolean }) {
  const ref = useRef<HTMLDivElement>(null);
  const following = useRef(true);
  const [away, setAway] = useState(false);

  const follow = (now: boolean): void => {
    following.current = now;
    setAway(!now);
  };
  const toEnd = (): void => {
    const box = ref.current;
    if (box) box.scrollTop = box.scrollHeight;
  };
  useEffect(() => {
    if (following.current) toEnd();
  }, [captions]);
  // A keyboard that folds out, or a phone that is turned, must not leave the newest words below the edge.
  useEffect(() => {
    const box = ref.current;
    if (!box) return;
    const observer = new ResizeObserver(() => {
      if (following.current) toEnd();
    });
    observer.observe(box);
    return () => observer.disconnect();
  }, []);

  return (
    <div className="relative flex min-h-0 flex-1 flex-col">
      <div
        ref={ref}
        role="log"
        // Spoken answers are heard already; a screen reader on top of them would talk at the same time.
        aria-live={announce ? "polite" : "off"}
        aria-label="What was said"
        tabIndex={0}
        onScroll={(event) => {
          const box = event.currentTarget;
          const atEnd = box.scrollHeight - box.scrollTop - box.clientHeight < followWithinPx;
          if (atEnd !== following.current) follow(atEnd);
        }}
        className="min-h-0 flex-1 overflow-y-auto overscroll-contain px-5 py-5 short:py-3 -outline-offset-3!"
      >
        {captions.length === 0 ? (
          <p className="grid h-full place-items-center text-center text-sm text-muted">What you both say appears here.</p>
        ) : (
          <ol className="flex min-h-full flex-col justify-end gap-4">
            {captions.map((caption) => (
              <Line key={caption.id} caption={caption} />
            ))}
          </ol>
        )}
      </div>
      {away && (
        <button
          type="button"
          onClick={() => {
            follow(true);
            toEnd();
            // The button goes with the press; whoever works with the keyboard goes on in the list.
            ref.current?.focus({ preventScroll: true });
          }}
          className="absolute bottom-3 left-1/2 flex h-9 -translate-x-1/2 items-center gap-1.5 rounded-full border border-line bg-surface px-3.5 text-sm font-medium shadow-md"
        >
          <DownIcon className="size-4" /> To the newest
        </button>
      )}
    </div>
  );
}

function Line({ caption }: { caption: Caption }) {
  if (caption.who === "notice") return <NoticeLine caption={caption} />;
  const person = caption.who === "person";
  return (
    <li
      data-who={caption.who}
      data-closed={caption.closed}
      data-interrupted={caption.interrupted}
      className={`caption flex flex-col ${person ? "items-end" : "items-start"}`}
    >
      <span className="mb-1 flex gap-2 px-1 text-xs text-muted">
        <span className="font-medium">{person ? "You" : "Model"}</span>
        {caption.at > 0 && (
          <time dateTime={new Date(caption.at).toISOString()} className="tabular-nums">
            {timeOfDay(caption.at)}
          </time>
        )}
      </span>
      <p
        dir="auto"
        className={`max-w-[88%] rounded-2xl px-4 py-2.5 leading-relaxed wrap-anywhere whitespace-pre-wrap ${
          person ? "rounded-br-md bg-sunken" : "rounded-bl-md border border-line"
        }`}
      >
        {caption.text}
        {caption.interrupted && <bdi className="text-sm text-muted italic">{" "}(interrupted)</bdi>}
      </p>
    </li>
  );
}

/** What happened to the conversation here: quieter than what was said. */
function NoticeLine({ caption }: { caption: Caption }) {
  return (
    <li data-who="notice" className="caption flex items-center gap-2 text-muted before:h-px before:flex-1 before:bg-line after:h-px after:flex-1 after:bg-line">
      <p className="max-w-[88%] text-center text-xs text-balance">{caption.text}</p>
    </li>
  );
}

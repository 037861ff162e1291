"use client";

import { useEffect, useRef } from "react";
import type { Caption } from "@/voice/captions";

/** Closer to the end than this, the list follows the conversation; a reader who scrolled up is left alone. */
const followWithinPx = 80;

/** Both sides of the conversation as text, growing as the pieces come. */
export function CaptionList({ captions, announce }: { captions: readonly Caption[]; announce: boolean }) {
  const ref = useRef<HTMLDivElement>(null);
  const following = useRef(true);

  useEffect(() => {
    const box = ref.current;
    if (box && following.current) box.scrollTop = box.scrollHeight;
  }, [captions]);

  return (
    <div
      ref={ref}
      role="log"
      // Spoken answers are heard already; a screen reader on top of them would talk at the same time.
      aria-live={announce ? "polite" : "off"}
      aria-label="What was said"
      tabIndex={0}
      onScroll={(event) => {
        const box = event.currentTarget;
        following.current = box.scrollHeight - box.scrollTop - box.clientHeight < followWithinPx;
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
  );
}

function Line({ caption }: { caption: Caption }) {
  const person = caption.who === "person";
  return (
    <li
      data-who={caption.who}
      data-closed={caption.closed}
      data-interrupted={caption.interrupted}
      className={`caption flex flex-col ${person ? "items-end" : "items-start"}`}
    >
      <span className="mb-1 px-1 text-xs font-medium text-muted">{person ? "You" : "Model"}</span>
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

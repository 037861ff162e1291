import { useEffect, useRef } from "react";
import type { Manner } from "@/ops/api";
import type { Session } from "@/ops/stats";
import { duration } from "../words";
import { shortId } from "./words";

/** Asks before a person is cut off. The browser keeps the focus inside, and Escape says no. */
export function EndDialog({ session, onClose }: { session: Session; onClose: (manner: Manner | undefined) => void }) {
  const ref = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    ref.current?.showModal();
  }, []);
  const answer = (manner: Manner | undefined): void => {
    // Gives the focus back to the button that asked; only then can the page take it.
    ref.current?.close();
    onClose(manner);
  };
  return (
    <dialog
      ref={ref}
      aria-labelledby="end-title"
      aria-describedby="end-detail"
      onCancel={(event) => {
        event.preventDefault();
        answer(undefined);
      }}
      className="m-auto w-[min(26rem,calc(100vw-2rem))] rounded-3xl border border-line bg-surface p-6 text-ink shadow-xl backdrop:bg-black/50"
    >
      <h2 id="end-title" className="text-xl font-semibold tracking-tight">
        End this conversation?
      </h2>
      <p id="end-detail" className="mt-2 leading-relaxed text-muted">
        {shortId(session.id)} has lasted {duration(session.durationMs)}. The person cannot go on with it. “End it” tells them that the people who run this server
        ended it; “Drop it” cuts the connection without a word.
      </p>
      <div className="mt-6 flex flex-wrap justify-end gap-3">
        <button type="button" onClick={() => answer(undefined)} className="h-11 rounded-full border border-line px-5 font-medium hover:border-stone">
          Keep it
        </button>
        <button
          type="button"
          onClick={() => answer("atOnce")}
          className="h-11 rounded-full border border-danger/40 px-5 font-medium text-danger hover:border-danger"
        >
          Drop it
        </button>
        <button type="button" onClick={() => answer("gently")} className="h-11 rounded-full bg-danger px-5 font-medium text-on-accent">
          End it
        </button>
      </div>
    </dialog>
  );
}

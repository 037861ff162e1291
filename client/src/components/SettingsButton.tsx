import { useRef, useState } from "react";
import type { ServerConfig } from "@/voice/api";
import type { Call } from "@/voice/call";
import type { CallSnapshot } from "@/voice/snapshot";
import { SettingsIcon } from "./icons";
import { later } from "./later";

const SettingsForm = later(async () => ({ default: (await import("./SettingsForm")).SettingsForm }));

/** Opens the settings over the page; the conversation goes on behind them. */
export function SettingsButton(props: { call: Call; snapshot: CallSnapshot; offer: ServerConfig | undefined }) {
  const dialog = useRef<HTMLDialogElement>(null);
  const [open, setOpen] = useState(false);
  return (
    <>
      <button
        type="button"
        aria-label="Settings"
        aria-haspopup="dialog"
        onClick={() => {
          setOpen(true);
          dialog.current?.showModal();
        }}
        className="grid size-9 place-items-center rounded-full text-muted hover:text-ink"
      >
        <SettingsIcon className="size-5" />
      </button>
      <dialog
        ref={dialog}
        aria-labelledby="settings-title"
        onClose={() => setOpen(false)}
        // A press on what is behind it.
        onClick={(event) => {
          if (event.target === event.currentTarget) dialog.current?.close();
        }}
        className="m-auto max-h-[min(46rem,calc(100dvh-2rem))] w-[min(30rem,calc(100vw-2rem))] flex-col overflow-hidden rounded-3xl border border-line bg-surface p-0 text-ink shadow-2xl backdrop:bg-black/40 open:flex"
      >
        <div className="flex shrink-0 items-center justify-between border-b border-line py-3 pr-3 pl-6">
          <h2 id="settings-title" className="text-lg font-semibold tracking-tight">
            Settings
          </h2>
          <button
            type="button"
            onClick={() => dialog.current?.close()}
            className="rounded-full px-4 py-2 text-sm font-medium hover:bg-sunken"
          >
            Done
          </button>
        </div>
        <div className="min-h-0 flex-1 overflow-y-auto overscroll-contain px-6 py-5">
          {open && <SettingsForm {...props} />}
        </div>
      </dialog>
    </>
  );
}

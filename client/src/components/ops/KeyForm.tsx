import { useEffect, useId, useRef, useState, type FormEvent } from "react";
import type { Watch } from "@/ops/watch";

/** Asks for the operator's key. It goes to the server as a header, never into an address. `alone`: there is nothing else to do on the page. */
export function KeyForm({ watch, wrong, alone }: { watch: Watch; wrong: boolean; alone: boolean }) {
  const [key, setKey] = useState("");
  const id = useId();
  const input = useRef<HTMLInputElement>(null);
  useEffect(() => {
    // Also when the button that forgot the key has just gone, with the keyboard's focus.
    if (alone && document.activeElement === document.body) input.current?.focus();
  }, [alone]);
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    if (key.trim() !== "") watch.giveKey(key);
  };
  return (
    <form onSubmit={submit} className="mt-6 flex w-full max-w-sm flex-col gap-2 text-left">
      <label htmlFor={id} className="text-sm font-medium">
        Key
      </label>
      <input
        ref={input}
        id={id}
        type="password"
        value={key}
        onChange={(event) => setKey(event.target.value)}
        autoComplete="off"
        autoCapitalize="off"
        spellCheck={false}
        required
        aria-invalid={wrong}
        className="h-11 rounded-full border border-line bg-surface px-4 text-base aria-invalid:border-danger"
      />
      <button type="submit" className="mt-2 h-11 rounded-full bg-ink px-5 font-medium text-paper">
        Show the figures
      </button>
    </form>
  );
}

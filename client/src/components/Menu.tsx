import { useRef, type KeyboardEvent, type ReactNode } from "react";

/** A button that folds a small list of choices out; Escape, a choice, and a press elsewhere fold it in. */
export function Menu({ label, icon, children }: { label: string; icon: ReactNode; children: ReactNode }) {
  const ref = useRef<HTMLDetailsElement>(null);
  const close = (): void => {
    if (ref.current) ref.current.open = false;
  };
  const onKeyDown = (event: KeyboardEvent): void => {
    if (event.key !== "Escape" || !ref.current?.open) return;
    // It means the menu here, and not the answer that is being spoken.
    event.stopPropagation();
    close();
    ref.current.querySelector("summary")?.focus();
  };
  return (
    <details
      ref={ref}
      className="relative text-sm"
      onKeyDown={onKeyDown}
      onBlur={(event) => {
        if (!event.currentTarget.contains(event.relatedTarget)) close();
      }}
    >
      <summary className="flex h-9 list-none items-center gap-1.5 rounded-full px-2.5 text-muted hover:text-ink [&::-webkit-details-marker]:hidden">
        {icon} {label}
      </summary>
      <div
        // Pressed, a button takes no focus in every browser: without this the menu would fold in before the click.
        onMouseDown={(event) => event.preventDefault()}
        onClick={close}
        className="absolute top-full right-0 z-10 mt-1 flex min-w-44 flex-col rounded-2xl border border-line bg-surface p-1.5 text-left shadow-lg"
      >
        {children}
      </div>
    </details>
  );
}

export function MenuItem({ children, onPress }: { children: ReactNode; onPress: () => void }) {
  return (
    <button type="button" onClick={onPress} className="rounded-xl px-3 py-2 text-left hover:bg-sunken">
      {children}
    </button>
  );
}

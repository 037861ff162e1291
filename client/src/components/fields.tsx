import { useId, type ReactNode } from "react";

/** A few settings of one kind. */
export function Group({ title, children }: { title: string; children: ReactNode }) {
  return (
    <section>
      <h3 className="mb-3 text-sm font-semibold text-muted">{title}</h3>
      <div className="flex flex-col gap-4">{children}</div>
    </section>
  );
}

interface ChoicesProps {
  name: string;
  label: string;
  value: string;
  /** Value, name, and what it means. */
  options: readonly (readonly [value: string, name: string, meaning?: string])[];
  onChange: (value: string) => void;
}

/** One of a few, all of them seen. */
export function Choices({ name, label, value, options, onChange }: ChoicesProps) {
  return (
    <fieldset>
      <legend className="sr-only">{label}</legend>
      <div className="flex flex-col gap-2">
        {options.map(([option, title, meaning]) => (
          <label
            key={option}
            className="flex items-start gap-3 rounded-2xl border border-line px-4 py-3 has-checked:border-ember has-checked:bg-sunken has-focus-visible:outline-3 has-focus-visible:outline-offset-2 has-focus-visible:outline-ember"
          >
            <input
              type="radio"
              name={name}
              value={option}
              checked={value === option}
              onChange={() => onChange(option)}
              className="mt-1 size-4 accent-(--ember) outline-none"
            />
            <span>
              <span className="block font-medium">{title}</span>
              {meaning && <span className="block text-sm text-muted">{meaning}</span>}
            </span>
          </label>
        ))}
      </div>
    </fieldset>
  );
}

interface SelectProps {
  label: string;
  value: string;
  options: readonly (readonly [value: string, name: string])[];
  /** When it holds, if that is not now. */
  note?: string;
  onChange: (value: string) => void;
}

/** One of many. A value that is not offered (any more) shows as the first. */
export function Select({ label, value, options, note = "", onChange }: SelectProps) {
  const known = options.some(([option]) => option === value);
  const id = useId();
  return (
    <div className="flex flex-col gap-1.5">
      <label htmlFor={id} className="font-medium">
        {label}
      </label>
      <select
        id={id}
        aria-describedby={note ? `${id}-note` : undefined}
        value={known ? value : options[0]?.[0]}
        onChange={(event) => onChange(event.target.value)}
        className="h-11 w-full min-w-0 rounded-xl border border-line bg-paper px-3"
      >
        {options.map(([option, name]) => (
          <option key={option} value={option}>
            {name}
          </option>
        ))}
      </select>
      {note && (
        <span id={`${id}-note`} className="text-sm text-muted">
          {note}
        </span>
      )}
    </div>
  );
}

/** On or off. */
export function Switch({ label, checked, onChange }: { label: string; checked: boolean; onChange: (checked: boolean) => void }) {
  return (
    <label className="flex items-center justify-between gap-4">
      <span className="font-medium">{label}</span>
      <input
        type="checkbox"
        role="switch"
        checked={checked}
        onChange={(event) => onChange(event.target.checked)}
        className="relative h-7 w-12 shrink-0 appearance-none rounded-full bg-stone transition-colors before:absolute before:top-1 before:left-1 before:size-5 before:rounded-full before:bg-paper before:transition-transform checked:bg-leaf checked:before:translate-x-5"
      />
    </label>
  );
}

/** Tries something out. */
export function TestButton({ onPress, disabled = false, children }: { onPress: () => void; disabled?: boolean; children: string }) {
  return (
    <button
      type="button"
      onClick={disabled ? undefined : onPress}
      aria-disabled={disabled}
      className="h-11 shrink-0 self-start rounded-full border border-line px-4 text-sm font-medium hover:border-stone aria-disabled:opacity-60"
    >
      {children}
    </button>
  );
}

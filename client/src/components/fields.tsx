import type { ReactNode } from "react";

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

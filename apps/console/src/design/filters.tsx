interface FiltersProps {
  /** For screen readers: by what it is chosen. */
  label: string;
  choices: readonly { label: string }[];
  /** Which of them is chosen. */
  chosen: number;
  onChosen(index: number): void;
}

/** A row of choices above a list, of which one holds. */
export function Filters({ label, choices, chosen, onChosen }: FiltersProps) {
  return (
    <div role="group" aria-label={label} className="flex flex-wrap gap-1.5">
      {choices.map((choice, index) => (
        <button
          key={choice.label}
          type="button"
          aria-pressed={index === chosen}
          onClick={() => onChosen(index)}
          className="rounded-full border border-steel-300 bg-white px-3 py-1 text-[13px] text-steel-600 hover:border-steel-400 aria-pressed:border-accent-600 aria-pressed:bg-accent-600 aria-pressed:text-white"
        >
          {choice.label}
        </button>
      ))}
    </div>
  );
}

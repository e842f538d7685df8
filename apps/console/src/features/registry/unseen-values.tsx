export interface UnseenValue {
  code: string;
  field: string;
}

const words: Record<string, string> = { outside_training_range: 'outside of what the model has learnt from', unseen_category: 'not among what the model has learnt from' };

/** Which values a model took though it had not seen their like in training. */
export function UnseenValues({ warnings }: { warnings: readonly UnseenValue[] }) {
  if (warnings.length === 0) return null;
  return (
    <ul aria-label="Unseen values" className="space-y-1 text-sm text-warn-700">
      {warnings.map(({ code, field }) => (
        <li key={`${code} ${field}`}>
          {field}: {words[code] ?? code}. The answer may be worth less.
        </li>
      ))}
    </ul>
  );
}

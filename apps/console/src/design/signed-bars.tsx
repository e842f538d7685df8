export interface SignedBar {
  /** Unique among the bars. */
  label: string;
  /** Length and side, relative to the longest. */
  value: number;
  /** What is written at the end. */
  text: string;
}

/** Horizontal bars to both sides of zero: what pulls down, what pushes up. */
export function SignedBars({ label, bars }: { label: string; bars: readonly SignedBar[] }) {
  const longest = Math.max(...bars.map(({ value }) => Math.abs(value)), 0);
  return (
    <ul aria-label={label} className="space-y-1.5 text-[13.5px]">
      {bars.map((bar) => {
        const width = longest > 0 ? (Math.abs(bar.value) / longest) * 50 : 0;
        const isUp = bar.value >= 0;
        return (
          <li key={bar.label} className="grid grid-cols-[minmax(5rem,30%)_1fr_auto] items-center gap-3">
            <span title={bar.label} className="truncate text-steel-700">
              {bar.label}
            </span>
            <span className="relative h-3.5 overflow-hidden rounded bg-steel-100" aria-hidden="true">
              <span className="absolute inset-y-0 left-1/2 w-px bg-steel-400" />
              <span
                className={`absolute inset-y-0 ${isUp ? 'left-1/2 rounded-r bg-accent-600' : 'right-1/2 rounded-l bg-warn-700'}`}
                style={{ width: `${width}%` }}
              />
            </span>
            <span className="min-w-16 text-right text-steel-600 tabular-nums">{bar.text}</span>
          </li>
        );
      })}
    </ul>
  );
}

export interface Bar {
  label: string;
  /** Length, relative to `max`. */
  value: number;
  /** What is written at the end of the bar. */
  text: string;
  isMarked?: boolean;
}

interface BarsProps {
  label: string;
  bars: readonly Bar[];
  max: number;
  isSmall?: boolean;
}

/** Horizontal bars with names: probabilities, most frequent values. */
export function Bars({ label, bars, max, isSmall = false }: BarsProps) {
  return (
    <ul aria-label={label} className={isSmall ? 'space-y-1 text-xs' : 'space-y-2.5 text-[13.5px]'}>
      {bars.map((bar) => (
        <li key={bar.label} className="grid grid-cols-[minmax(4rem,34%)_1fr_auto] items-center gap-3">
          <span title={bar.label} className={`truncate ${bar.isMarked ? 'font-semibold text-steel-900' : 'text-steel-600'}`}>
            {bar.label === '' ? '(empty)' : bar.label}
          </span>
          <span className={`overflow-hidden rounded bg-steel-100 ${isSmall ? 'h-2' : 'h-3.5'}`}>
            <span
              className={`block h-full rounded ${bar.isMarked === false ? 'bg-accent-200' : 'bg-accent-600'}`}
              style={{ width: `${max > 0 ? Math.min(100, (bar.value / max) * 100) : 0}%` }}
            />
          </span>
          <span className="min-w-10 text-right text-steel-600 tabular-nums">{bar.text}</span>
        </li>
      ))}
    </ul>
  );
}

interface HistogramProps {
  label: string;
  bins: readonly { from: number; to: number; count: number }[];
  format(value: number): string;
}

/** How often values fall into each bin. */
export function Histogram({ label, bins, format }: HistogramProps) {
  const highest = Math.max(...bins.map((bin) => bin.count), 1);
  const width = 100 / Math.max(bins.length, 1);
  const first = bins[0];
  const last = bins.at(-1);
  return (
    <figure>
      <svg viewBox="0 0 100 40" preserveAspectRatio="none" role="img" aria-label={label} className="h-16 w-full">
        {bins.map((bin, index) => {
          const height = (bin.count / highest) * 38;
          return (
            <rect key={index} x={index * width + width * 0.06} y={39 - height} width={width * 0.88} height={height} className="fill-accent-400">
              <title>{`${format(bin.from)} to ${format(bin.to)}: ${bin.count}`}</title>
            </rect>
          );
        })}
        <line x1="0" y1="39.5" x2="100" y2="39.5" className="stroke-steel-300" strokeWidth="0.7" />
      </svg>
      {first && last && (
        <figcaption className="mt-1 flex justify-between text-xs text-steel-500 tabular-nums">
          <span>{format(first.from)}</span>
          <span>{format(last.to)}</span>
        </figcaption>
      )}
    </figure>
  );
}

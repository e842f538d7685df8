import { formatNumber, formatShare } from '../../design/format.ts';

interface IntervalBarProps {
  /** the share of cases in which the truth lies within; null if the version doesn't say */
  coverage: number | null;
  value: number;
  interval: { lower: number; upper: number };
}

/** A prediction between the ends that the truth is to lie within. */
export function IntervalBar({ coverage, value, interval: { lower, upper } }: IntervalBarProps) {
  const width = upper - lower;
  const share = width > 0 ? Math.min(1, Math.max(0, (value - lower) / width)) : 0.5;
  return (
    <div>
      <p className="text-sm text-steel-700">
        {coverage === null ? 'Probably' : `In ${formatShare(coverage)} of cases`} between {formatNumber(lower)} and {formatNumber(upper)}
      </p>
      <div className="relative mt-2 h-2 rounded-full bg-accent-100" aria-hidden="true">
        <span className="absolute top-[-3px] h-3.5 w-1 -translate-x-1/2 rounded bg-accent-700" style={{ left: `${share * 100}%` }} />
      </div>
      <div className="mt-1 flex justify-between text-xs text-steel-500" aria-hidden="true">
        <span>{formatNumber(lower)}</span>
        <span>{formatNumber(upper)}</span>
      </div>
    </div>
  );
}

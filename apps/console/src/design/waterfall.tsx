export interface WaterfallStep {
  /** Unique among the steps. */
  label: string;
  value: number;
  /** What is written at the end. */
  text: string;
}

interface WaterfallProps {
  label: string;
  /** Where the steps begin, and where they have led to. */
  start: WaterfallStep;
  steps: readonly WaterfallStep[];
  end: WaterfallStep;
}

/** How a number comes about: from a start, step by step up and down, to an end. */
export function Waterfall({ label, start, steps, end }: WaterfallProps) {
  let total = start.value;
  const moves = steps.map((step) => {
    const from = total;
    total += step.value;
    return { ...step, from, to: total };
  });
  const all = [start.value, end.value, ...moves.map(({ to }) => to)];
  const [lowest, highest] = [Math.min(...all), Math.max(...all)];
  const width = highest - lowest;
  /** Hundredths of the width, with a margin on both sides. */
  const place = (value: number): number => (width > 0 ? 2 + ((value - lowest) / width) * 96 : 50);
  return (
    <ol aria-label={label} className="grid grid-cols-[minmax(5rem,36%)_1fr_auto] gap-x-3 gap-y-1 text-[13.5px]">
      <Line step={start}>
        <Mark at={place(start.value)} />
      </Line>
      {moves.map(({ from, to, ...step }) => (
        <Line key={step.label} step={step}>
          <line x1={place(from)} x2={place(from)} y1="0" y2="14" className="stroke-steel-300" strokeWidth="1" vectorEffect="non-scaling-stroke" />
          <rect x={Math.min(place(from), place(to))} y="2" width={Math.max(0.4, Math.abs(place(to) - place(from)))} height="10" className={step.value >= 0 ? 'fill-accent-600' : 'fill-warn-700'} />
        </Line>
      ))}
      <Line step={end} isTotal>
        <Mark at={place(end.value)} />
      </Line>
    </ol>
  );
}

function Mark({ at }: { at: number }) {
  return <line x1={at} x2={at} y1="0" y2="14" className="stroke-steel-800" strokeWidth="3" vectorEffect="non-scaling-stroke" />;
}

function Line({ step, isTotal = false, children }: { step: WaterfallStep; isTotal?: boolean; children: React.ReactNode }) {
  return (
    <li className={`col-span-3 grid grid-cols-subgrid items-center ${isTotal ? 'font-semibold text-steel-900' : 'text-steel-700'}`}>
      <span title={step.label} className="truncate">
        {step.label}
      </span>
      <svg viewBox="0 0 100 14" preserveAspectRatio="none" aria-hidden="true" className="h-3.5 w-full rounded bg-steel-100">
        {children}
      </svg>
      <span className="min-w-16 text-right tabular-nums">{step.text}</span>
    </li>
  );
}

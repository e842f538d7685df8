interface ProgressProps {
  label: string;
  /** 0 to 1; null where the end is not known yet. */
  value: number | null;
  text?: string | undefined;
}

export function Progress({ label, value, text }: ProgressProps) {
  const percent = value === null ? null : Math.round(Math.min(1, Math.max(0, value)) * 100);
  return (
    <div>
      <div className="mb-1.5 flex justify-between gap-4 text-[13px]">
        <span className="font-medium text-steel-700">{label}</span>
        <span className="shrink-0 text-steel-500 tabular-nums">{text ?? (percent === null ? '' : `${percent} %`)}</span>
      </div>
      <div
        role="progressbar"
        aria-label={label}
        aria-valuemin={0}
        aria-valuemax={100}
        {...(percent === null ? {} : { 'aria-valuenow': percent })}
        className="h-2 overflow-hidden rounded-full bg-steel-100"
      >
        <div
          className={`h-full rounded-full bg-accent-600 transition-[width] duration-300 ${percent === null ? 'w-1/3 animate-pulse' : ''}`}
          style={percent === null ? undefined : { width: `${percent}%` }}
        />
      </div>
    </div>
  );
}

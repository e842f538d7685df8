import type { ReactNode } from 'react';

/** Names and values, side by side: the facts of one thing. */
export function Facts({ facts }: { facts: readonly (readonly [name: string, value: ReactNode])[] }) {
  return (
    <dl className="grid grid-cols-[minmax(7rem,max-content)_1fr] gap-x-6 gap-y-2.5 text-[13.5px]">
      {facts.map(([name, value]) => (
        <div key={name} className="contents">
          <dt className="text-steel-500">{name}</dt>
          <dd className="min-w-0 break-words text-steel-900">{value}</dd>
        </div>
      ))}
    </dl>
  );
}

interface FigureProps {
  label: string;
  value: ReactNode;
  note?: ReactNode;
}

/** One number that matters, with its name. */
export function Figure({ label, value, note }: FigureProps) {
  return (
    <div className="min-w-0">
      <p className="text-[13px] text-steel-500">{label}</p>
      <p className="mt-0.5 text-2xl font-semibold tracking-tight text-steel-900 tabular-nums">{value}</p>
      {note && <p className="mt-0.5 text-xs text-steel-500">{note}</p>}
    </div>
  );
}

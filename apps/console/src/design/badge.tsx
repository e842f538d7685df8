import type { ReactNode } from 'react';

export type Tone = 'neutral' | 'accent' | 'good' | 'warn' | 'bad';

const tones: Record<Tone, string> = {
  neutral: 'bg-steel-100 text-steel-700',
  accent: 'bg-accent-50 text-accent-800',
  good: 'bg-good-50 text-good-700',
  warn: 'bg-warn-50 text-warn-700',
  bad: 'bg-bad-50 text-bad-700',
};

interface BadgeProps {
  tone?: Tone;
  /** A dot that says "this is going on now". */
  isLive?: boolean;
  children: ReactNode;
}

export function Badge({ tone = 'neutral', isLive = false, children }: BadgeProps) {
  return (
    <span className={`inline-flex items-center gap-1.5 rounded px-2 py-0.5 text-xs font-medium whitespace-nowrap ${tones[tone]}`}>
      {isLive && <span className="size-1.5 animate-pulse rounded-full bg-current" aria-hidden="true" />}
      {children}
    </span>
  );
}

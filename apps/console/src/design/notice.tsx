import type { ReactNode } from 'react';

interface NoticeProps {
  tone?: 'bad' | 'warn' | 'good' | 'neutral';
  title: ReactNode;
  children?: ReactNode;
}

const tones = {
  bad: 'border-bad-200 bg-bad-50 text-bad-700',
  warn: 'border-[#ecd9a5] bg-warn-50 text-warn-700',
  good: 'border-[#bfe0cb] bg-good-50 text-good-700',
  neutral: 'border-steel-200 bg-white text-steel-700',
};

export function Notice({ tone = 'neutral', title, children }: NoticeProps) {
  return (
    <div role={tone === 'bad' ? 'alert' : 'status'} className={`rounded-md border px-4 py-3 ${tones[tone]}`}>
      <p className="font-medium">{title}</p>
      {children && <div className="mt-1 text-[13.5px] text-steel-700">{children}</div>}
    </div>
  );
}

interface EmptyProps {
  title: string;
  children: ReactNode;
  action?: ReactNode;
}

/** Where there is nothing yet: says what would be here and what to do next. */
export function Empty({ title, children, action }: EmptyProps) {
  return (
    <div className="flex flex-col items-center px-6 py-12 text-center">
      <p className="text-[15px] font-semibold text-steel-800">{title}</p>
      <p className="mt-1 max-w-md text-steel-500">{children}</p>
      {action && <div className="mt-4">{action}</div>}
    </div>
  );
}

export function Loading({ what }: { what: string }) {
  return (
    <div role="status" className="flex items-center justify-center gap-3 px-6 py-12 text-steel-500">
      <span className="size-4 animate-spin rounded-full border-2 border-accent-600 border-t-transparent" aria-hidden="true" />
      Loading {what}…
    </div>
  );
}

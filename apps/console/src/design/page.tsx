import { useEffect, type ReactNode } from 'react';

interface PageProps {
  title: string;
  /** Shown beside the title, such as the state of the thing. */
  badge?: ReactNode;
  lead?: ReactNode;
  /** The way back, such as a link to the list. */
  above?: ReactNode;
  actions?: ReactNode;
  children: ReactNode;
}

export function Page({ title, badge, lead, above, actions, children }: PageProps) {
  useEffect(() => {
    document.title = `${title} · Millrace`;
  }, [title]);
  return (
    <div className="mx-auto max-w-[1240px] px-6 py-7 lg:px-9">
      <header className="mb-6 flex flex-wrap items-end justify-between gap-x-6 gap-y-3">
        <div className="min-w-0">
          {above && <div className="mb-1 text-[13px] text-steel-500">{above}</div>}
          <div className="flex flex-wrap items-center gap-3">
            <h1 className="text-2xl font-semibold tracking-tight break-words text-steel-900">{title}</h1>
            {badge}
          </div>
          {lead && <p className="mt-1 max-w-3xl text-[15px] text-steel-500">{lead}</p>}
        </div>
        {actions && <div className="flex flex-wrap items-center gap-2">{actions}</div>}
      </header>
      <div className="space-y-6">{children}</div>
    </div>
  );
}

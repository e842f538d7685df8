import type { ReactNode } from 'react';
import { useId } from 'react';

interface CardProps {
  title?: ReactNode;
  description?: ReactNode;
  actions?: ReactNode;
  /** Without padding, for tables that run to the edge. */
  isFlush?: boolean;
  className?: string;
  children: ReactNode;
}

export function Card({ title, description, actions, isFlush = false, className = '', children }: CardProps) {
  const titleId = useId();
  return (
    <section
      {...(title ? { 'aria-labelledby': titleId } : {})}
      className={`min-w-0 rounded-lg border border-steel-200 bg-white shadow-card ${className}`}
    >
      {(title || actions) && (
        <div className="flex flex-wrap items-start justify-between gap-x-4 gap-y-2 border-b border-steel-100 px-5 py-3.5">
          <div className="min-w-0">
            {title && (
              <h2 id={titleId} className="text-[15px] font-semibold text-steel-900">
                {title}
              </h2>
            )}
            {description && <p className="mt-0.5 text-[13px] text-steel-500">{description}</p>}
          </div>
          {actions && <div className="flex items-center gap-2">{actions}</div>}
        </div>
      )}
      <div className={isFlush ? `overflow-hidden ${title || actions ? 'rounded-b-lg' : 'rounded-lg'}` : 'p-5'}>{children}</div>
    </section>
  );
}

import type { ReactNode } from 'react';
import { Button } from './button.tsx';
import { Notice } from './notice.tsx';

interface ShownOnceProps {
  /** what is to be copied, within a sentence: "it", "the link" */
  what?: string;
  /** what to do with it then */
  advice: ReactNode;
  /** the secret itself */
  children: ReactNode;
  onDone(): void;
}

/** A secret that cannot be asked for again, with a way out for whoever has copied it. */
export function ShownOnce({ what = 'it', advice, children, onDone }: ShownOnceProps) {
  return (
    <div className="space-y-4">
      <Notice tone="warn" title={`Copy ${what} now: it will not be shown again`}>
        {advice}
      </Notice>
      {children}
      <div className="flex justify-end">
        <Button kind="primary" onClick={onDone}>
          I have copied it
        </Button>
      </div>
    </div>
  );
}

import { useState } from 'react';
import { Button } from './button.tsx';

interface CodeBlockProps {
  /** Names the text for screen readers and for the copy button. */
  label: string;
  text: string;
  /** Breaks long lines instead of scrolling: for a secret that must be seen whole. */
  isWrapped?: boolean;
}

/** Text to take away: shown in full, copied with one press. */
export function CodeBlock({ label, text, isWrapped = false }: CodeBlockProps) {
  const [state, setState] = useState<'idle' | 'copied' | 'refused'>('idle');
  async function copy() {
    try {
      await navigator.clipboard.writeText(text);
      setState('copied');
    } catch {
      // browsers allow it only over HTTPS and on localhost
      setState('refused');
    }
  }
  return (
    <div className="overflow-hidden rounded-md border border-steel-200 bg-steel-25">
      <div className="flex items-center justify-between gap-3 border-b border-steel-200 py-1 pr-1 pl-3.5">
        <span className="text-xs font-medium text-steel-600">{label}</span>
        <Button kind="quiet" className="py-1 text-xs" aria-label={`Copy ${label}`} onClick={() => void copy()}>
          <span aria-live="polite">{state === 'copied' ? 'Copied' : state === 'refused' ? 'Select and copy by hand' : 'Copy'}</span>
        </Button>
      </div>
      <pre
        tabIndex={0}
        aria-label={label}
        className={`px-3.5 py-3 font-mono text-[12.5px] leading-relaxed text-steel-900 ${isWrapped ? 'break-all whitespace-pre-wrap' : 'overflow-x-auto'}`}
      >
        {text}
      </pre>
    </div>
  );
}

import { useEffect, useId, useRef, type ReactNode } from 'react';

interface DialogProps {
  title: string;
  isOpen: boolean;
  onClose(): void;
  /** For what is a table rather than a form. */
  isWide?: boolean;
  children: ReactNode;
}

/** The browser's own modal dialog: keeps the focus inside, closes with Escape. */
export function Dialog({ title, isOpen, onClose, isWide = false, children }: DialogProps) {
  const ref = useRef<HTMLDialogElement>(null);
  const titleId = useId();
  useEffect(() => {
    const dialog = ref.current;
    if (isOpen && !dialog?.open) dialog?.showModal();
    if (!isOpen && dialog?.open) dialog.close();
  }, [isOpen]);
  return (
    <dialog
      ref={ref}
      aria-labelledby={titleId}
      onClose={onClose}
      className={`m-auto w-full ${isWide ? 'max-w-4xl' : 'max-w-lg'} rounded-lg border border-steel-200 bg-white p-6 text-steel-800 shadow-xl backdrop:bg-steel-900/40`}
    >
      {isOpen && (
        <>
          <h2 id={titleId} className="mb-4 text-lg font-semibold text-steel-900">
            {title}
          </h2>
          {children}
        </>
      )}
    </dialog>
  );
}

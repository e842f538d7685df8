import type { ReactNode } from 'react';
import { Button } from '../../design/button.tsx';
import { Dialog } from '../../design/dialog.tsx';
import { RefusalNotice } from '../../design/refusal-notice.tsx';
import type { Refusal } from '../../graphql/refusal.ts';

interface ConfirmationProps {
  title: string;
  /** What the button does. */
  verb: string;
  isOpen: boolean;
  isPending: boolean;
  refusal: Refusal | null;
  onClose(): void;
  onConfirm(): Promise<void>;
  children: ReactNode;
}

/** Asks before something that is hard to undo, and says what follows from it. */
export function Confirmation({ title, verb, isOpen, isPending, refusal, onClose, onConfirm, children }: ConfirmationProps) {
  return (
    <Dialog title={title} isOpen={isOpen} onClose={onClose}>
      <div className="space-y-4">
        <RefusalNotice refusal={refusal} />
        <p>{children}</p>
        <div className="flex justify-end gap-2">
          <Button onClick={onClose}>Cancel</Button>
          <Button kind="danger" isPending={isPending} onClick={() => void onConfirm()}>
            {verb}
          </Button>
        </div>
      </div>
    </Dialog>
  );
}

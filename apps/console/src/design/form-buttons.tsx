import { Button } from './button.tsx';

interface FormButtonsProps {
  /** What sending the form does. */
  verb: string;
  isPending: boolean;
  /** It is not easily undone. */
  isDanger?: boolean;
  isDisabled?: boolean;
  onCancel(): void;
}

/** The end of a form: to leave it, and to send it. */
export function FormButtons({ verb, isPending, isDanger = false, isDisabled = false, onCancel }: FormButtonsProps) {
  return (
    <div className="flex justify-end gap-2">
      <Button onClick={onCancel}>Cancel</Button>
      <Button type="submit" kind={isDanger ? 'danger' : 'primary'} isPending={isPending} disabled={isDisabled}>
        {verb}
      </Button>
    </div>
  );
}

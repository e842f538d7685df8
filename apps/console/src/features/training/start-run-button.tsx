import { Button } from '../../design/button.tsx';

/** Ends the form of a run. */
export function StartRunButton({ isPending, disabled = false }: { isPending: boolean; disabled?: boolean }) {
  return (
    <Button type="submit" kind="primary" isPending={isPending} disabled={disabled}>
      Start run
    </Button>
  );
}

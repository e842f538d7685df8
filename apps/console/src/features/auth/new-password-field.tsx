import { type FieldProblem, TextField } from '../../design/field.tsx';

interface NewPasswordFieldProps {
  label: string;
  autoFocus?: boolean;
  value: string;
  onValue(value: string): void;
  problem: FieldProblem | null;
}

/** A password that somebody gives themselves. */
export function NewPasswordField(props: NewPasswordFieldProps) {
  return <TextField {...props} type="password" autoComplete="new-password" required hint="At least 8 characters. A few unrelated words make a good one." />;
}

import { TextField } from '../../design/field.tsx';
import { problemOf, type Refusal } from '../../graphql/refusal.ts';

interface ModelNameFieldProps {
  value: string;
  refusal: Refusal | null;
  className?: string;
  onValue(value: string): void;
}

/** Which model a run makes a version of. */
export function ModelNameField({ value, refusal, className = '', onValue }: ModelNameFieldProps) {
  return <TextField label="Model name" required className={className} value={value} onValue={onValue} hint="A success becomes the next version of this model." problem={problemOf(refusal, 'modelName')} />;
}

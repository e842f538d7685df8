import { useState } from 'react';
import { Field, type FieldProblem } from '../../design/field.tsx';

interface PictureFieldProps {
  label: string;
  /** base64 of the file; '' while none is chosen */
  value: string;
  hint: string;
  problem: FieldProblem | null;
  onValue(value: string): void;
}

/** Chooses a PNG or JPEG file, shows it, and gives its bytes as base64. */
export function PictureField({ label, value, hint, problem, onValue }: PictureFieldProps) {
  const [type, setType] = useState('image/png');
  function choose(file: File | undefined) {
    if (!file) return;
    const reader = new FileReader();
    reader.onload = () => {
      setType(file.type === 'image/jpeg' ? 'image/jpeg' : 'image/png');
      onValue(String(reader.result).split(',')[1] ?? '');
    };
    reader.readAsDataURL(file);
  }
  return (
    <Field label={label} hint={hint} problem={problem}>
      {(described) => (
        <>
          <input {...described} type="file" accept="image/png,image/jpeg" className="control" onChange={(event) => choose(event.target.files?.[0])} />
          {value !== '' && <img src={`data:${type};base64,${value}`} alt="The picture that is asked about" className="mt-3 max-h-56 max-w-full rounded border border-steel-200 object-contain" />}
        </>
      )}
    </Field>
  );
}

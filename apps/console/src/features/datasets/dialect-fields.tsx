import { SelectField } from '../../design/field.tsx';
import type { DecimalSign, Delimiter, FileDialectInput, TextEncoding } from '../../gql/graphql.ts';

interface DialectFieldsProps {
  value: FileDialectInput;
  isDisabled: boolean;
  onValue(value: FileDialectInput): void;
}

const found = { value: '', label: 'Found from the file' };

const encodings: readonly { value: TextEncoding; label: string }[] = [
  { value: 'UTF_8', label: 'UTF-8' },
  { value: 'UTF_16LE', label: 'UTF-16, little-endian' },
  { value: 'UTF_16BE', label: 'UTF-16, big-endian' },
  { value: 'WINDOWS_1252', label: 'Windows-1252 or Latin-1' },
];

const delimiters: readonly { value: Delimiter; label: string }[] = [
  { value: 'COMMA', label: 'Comma' },
  { value: 'SEMICOLON', label: 'Semicolon' },
  { value: 'TAB', label: 'Tab' },
  { value: 'BAR', label: 'Vertical bar' },
];

const decimalSigns: readonly { value: DecimalSign; label: string }[] = [
  { value: 'POINT', label: 'Point: 1.5' },
  { value: 'COMMA', label: 'Comma: 1,5' },
];

/** How a text file is to be read, folded away: most files say it themselves. */
export function DialectFields({ value, isDisabled, onValue }: DialectFieldsProps) {
  const { encoding, delimiter, decimalSign } = value;
  return (
    <details>
      <summary className="cursor-pointer text-[13px] font-medium text-steel-700">Advanced</summary>
      <div className="mt-3 grid gap-4 md:grid-cols-3">
        <SelectField
          label="Encoding"
          disabled={isDisabled}
          value={encoding ?? ''}
          choices={[found, ...encodings]}
          onValue={(chosen) => onValue({ ...value, encoding: encodings.find((one) => one.value === chosen)?.value ?? null })}
        />
        <SelectField
          label="Delimiter"
          disabled={isDisabled}
          value={delimiter ?? ''}
          choices={[found, ...delimiters]}
          onValue={(chosen) => onValue({ ...value, delimiter: delimiters.find((one) => one.value === chosen)?.value ?? null })}
        />
        <SelectField
          label="Decimal sign"
          disabled={isDisabled}
          value={decimalSign ?? ''}
          choices={[found, ...decimalSigns]}
          onValue={(chosen) => onValue({ ...value, decimalSign: decimalSigns.find((one) => one.value === chosen)?.value ?? null })}
        />
      </div>
      <p className="mt-2 text-[13px] text-steel-500">For text files only. What is declared and does not fit is refused with the line.</p>
    </details>
  );
}

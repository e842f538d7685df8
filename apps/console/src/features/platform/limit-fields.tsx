import { TextField } from '../../design/field.tsx';
import { problemOf, type Refusal } from '../../graphql/refusal.ts';

interface LimitFieldsProps<Name extends string> {
  /** The part of the plan, as problems name it. */
  part: string;
  fields: readonly { name: Name; label: string }[];
  values: Record<Name, string>;
  onValues(values: Record<Name, string>): void;
  refusal: Refusal | null;
}

/** Numbers of one part of a plan, each of which may be left empty. */
export function LimitFields<Name extends string>({ part, fields, values, onValues, refusal }: LimitFieldsProps<Name>) {
  return (
    <div className="grid grid-cols-2 gap-4">
      {fields.map(({ name, label }) => (
        <TextField
          key={name}
          label={label}
          isOptional
          type="number"
          min={0}
          step="any"
          value={values[name]}
          onValue={(value) => onValues({ ...values, [name]: value })}
          problem={problemOf(refusal, `${part}.${name}`)}
        />
      ))}
    </div>
  );
}

/** As the fields show them. */
export function textsOf<Name extends string>(fields: readonly { name: Name }[], limits: Partial<Record<Name, number | null>> | undefined): Record<Name, string> {
  return Object.fromEntries(fields.map(({ name }) => [name, String(limits?.[name] ?? '')])) as Record<Name, string>;
}

/** What was filled in. */
export function numbersOf<Name extends string>(values: Record<Name, string>): Partial<Record<Name, number>> {
  return Object.fromEntries(Object.entries<string>(values).flatMap(([name, value]) => (value === '' ? [] : [[name, Number(value)]]))) as Partial<Record<Name, number>>;
}

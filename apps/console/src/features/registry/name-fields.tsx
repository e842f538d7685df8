import { useId, useState, type ReactNode } from 'react';
import { Button } from '../../design/button.tsx';
import { TextField, type FieldProblem } from '../../design/field.tsx';
import { listIn } from './signature.ts';

interface NameFieldProps {
  label: string;
  value: string;
  names: readonly string[];
  problem: FieldProblem | null;
  isOptional?: boolean;
  hint?: ReactNode;
  onValue(value: string): void;
}

/** As many as a browser proposes without a pause. */
const mostProposed = 500;

/** A name out of many, which are proposed while it is typed. */
export function NameField({ names, ...field }: NameFieldProps) {
  const id = useId();
  const typed = field.value.toLowerCase();
  const proposed = names.filter((name) => name.toLowerCase().includes(typed)).slice(0, mostProposed);
  return (
    <div className="min-w-0">
      <TextField {...field} list={id} autoComplete="off" />
      <datalist id={id}>
        {proposed.map((name) => (
          <option key={name} value={name} />
        ))}
      </datalist>
    </div>
  );
}

/** Several names out of many, as a draft holds them. */
export function ListField({ choices, value, onValue, ...field }: Omit<NameFieldProps, 'names'> & { choices: readonly string[] }) {
  const [typed, setTyped] = useState('');
  const chosen = listIn(value);
  const put = (names: string[]) => onValue(names.length === 0 ? '' : JSON.stringify(names));
  const isNew = choices.includes(typed) && !chosen.includes(typed);
  return (
    <div className="min-w-0">
      <div className="flex items-end gap-2">
        <div className="grow">
          <NameField {...field} value={typed} names={choices} onValue={setTyped} />
        </div>
        <Button
          disabled={!isNew}
          onClick={() => {
            put([...chosen, typed]);
            setTyped('');
          }}
        >
          Add
        </Button>
      </div>
      {chosen.length > 0 && (
        <ul aria-label={`Chosen for ${field.label}`} className="mt-2 flex flex-wrap gap-2">
          {chosen.map((name) => (
            <li key={name}>
              <Button kind="quiet" className="py-0.5 text-[13px]" aria-label={`Remove ${name}`} onClick={() => put(chosen.filter((other) => other !== name))}>
                {name} ×
              </Button>
            </li>
          ))}
        </ul>
      )}
    </div>
  );
}

import { SelectField, TextField, type FieldProblem } from '../../design/field.tsx';
import { formatCount, formatNumber } from '../../design/format.ts';
import { ListField, NameField } from './name-fields.tsx';
import { PictureField } from './picture-field.tsx';
import { isOutside, type RowDraft, type Signature } from './signature.ts';

/** More than these are no list that anybody would choose from. */
const mostListed = 200;

interface SignatureFormProps {
  signature: Signature;
  draft: RowDraft;
  problemAt(field: string): FieldProblem | null;
  onDraft(draft: RowDraft): void;
}

/** One field for each input of the model: numbers with the range that was learnt from, categories to choose from. */
export function SignatureForm({ signature, draft, problemAt, onDraft }: SignatureFormProps) {
  return (
    <div className="grid gap-4 sm:grid-cols-2">
      {signature.inputs.map((input) => {
        const value = draft[input.name] ?? '';
        const common = {
          label: input.name,
          value,
          problem: problemAt(input.name),
          ...(input.required ? {} : { isOptional: true }),
          onValue: (next: string) => onDraft({ ...draft, [input.name]: next }),
        };
        if (input.type === 'number') {
          const range = `${input.closed ? 'From' : 'Learnt from'} ${formatNumber(input.min)} to ${formatNumber(input.max)}`;
          return (
            <TextField
              key={input.name}
              {...common}
              inputMode="decimal"
              autoComplete="off"
              hint={
                isOutside(input, value) ? <span className="font-medium text-warn-700">{input.closed ? `${range}: there is no answer outside.` : `${range}: the answer is a guess outside.`}</span> : range
              }
            />
          );
        }
        if (input.type === 'date') {
          return <TextField key={input.name} {...common} placeholder="2026-03-31" autoComplete="off" hint={`A date, or a moment such as ${input.max}T14:30:00Z. Learnt from ${input.min} to ${input.max}`} />;
        }
        if (input.type === 'image') {
          return <PictureField key={input.name} {...common} hint={`PNG or JPEG of any size; the model looks at ${input.width} × ${input.height} pixels${input.channels === 1 ? ', in grey' : ''}.`} />;
        }
        if (input.type === 'list') return <ListField key={input.name} {...common} choices={input.choices} />;
        if (input.categories.length > mostListed && !input.closed) return <NameField key={input.name} {...common} names={input.categories} hint={`One of ${formatCount(input.categories.length)} that are known, or another.`} />;
        const choices = input.categories.map((category) => ({ value: category, label: category === '' ? '(empty)' : category }));
        const hasEmpty = input.categories.includes('');
        return (
          <SelectField
            key={input.name}
            {...common}
            choices={input.required || hasEmpty ? choices : [{ value: '', label: 'Missing' }, ...choices]}
          />
        );
      })}
    </div>
  );
}

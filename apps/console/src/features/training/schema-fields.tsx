import { CheckField, SelectField, TextField, type FieldProblem } from '../../design/field.tsx';
import { words } from '../../design/format.ts';
import { childOf, draftOf, optionalPart, type Draft, type DraftObject, type FieldSchema } from './schema-draft.ts';

interface SchemaFieldsProps {
  schema: FieldSchema;
  draft: Draft | undefined;
  /** Where this part stands in the whole, as problems name it. */
  path: string;
  problemAt(path: string): FieldProblem | null;
  onDraft(draft: DraftObject): void;
}

/** The fields of one part of the training configuration, made from its JSON Schema: titles, hints, bounds, choices. */
export function SchemaFields({ schema, draft, path, problemAt, onDraft }: SchemaFieldsProps) {
  const current = typeof draft === 'object' && draft !== null ? draft : {};
  return (
    <>
      {Object.entries(schema.properties ?? {}).map(([name, property]) =>
        property.const === undefined ? (
          <SchemaField
            key={name}
            name={name}
            schema={property}
            draft={childOf(current, name)}
            path={`${path}.${name}`}
            problemAt={problemAt}
            onDraft={(next) => onDraft({ ...current, [name]: next })}
          />
        ) : null,
      )}
    </>
  );
}

interface SchemaFieldProps {
  name: string;
  schema: FieldSchema;
  draft: Draft | undefined;
  path: string;
  problemAt(path: string): FieldProblem | null;
  onDraft(draft: Draft): void;
}

function SchemaField({ name, schema, draft, path, problemAt, onDraft }: SchemaFieldProps) {
  const label = schema.title ?? words(name);
  const problem = problemAt(path);
  const part = optionalPart(schema);
  if (part) {
    return (
      <div className="col-span-full space-y-4 border-t border-steel-100 pt-4">
        <CheckField
          label={<span className="font-medium">{label}</span>}
          isChecked={draft !== null}
          onChecked={(isOn) => onDraft(isOn ? draftOf(part) : null)}
        />
        {draft !== null && (
          <div className="grid gap-4 sm:grid-cols-2">
            <SchemaFields schema={part} draft={draft} path={path} problemAt={problemAt} onDraft={onDraft} />
          </div>
        )}
      </div>
    );
  }
  if (schema.properties) return <SchemaFields schema={schema} draft={draft} path={path} problemAt={problemAt} onDraft={onDraft} />;
  if (schema.type === 'boolean') {
    return <CheckField label={label} hint={schema.description} isChecked={draft === true} onChecked={onDraft} />;
  }
  const text = typeof draft === 'string' ? draft : '';
  // What may also be an object is set in the configuration's text; the form offers its named values.
  const named = schema.enum ?? schema.anyOf?.find((option) => option.enum)?.enum;
  if (named) {
    const choices = named.map((value) => ({ value, label: value }));
    return (
      <SelectField
        label={label}
        hint={schema.description}
        problem={problem}
        value={text}
        choices={schema.default === undefined ? [{ value: '', label: 'Automatic' }, ...choices] : choices}
        onValue={onDraft}
      />
    );
  }
  return (
    <TextField
      label={label}
      hint={schema.description}
      problem={problem}
      value={text}
      inputMode={schema.type === 'integer' ? 'numeric' : schema.type === 'number' ? 'decimal' : 'text'}
      placeholder={schema.default === undefined || Array.isArray(schema.default) ? '' : String(schema.default)}
      onValue={onDraft}
    />
  );
}

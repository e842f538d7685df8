import { Card } from '../../design/card.tsx';
import { SelectField, type FieldProblem } from '../../design/field.tsx';
import type { TrainingColumn } from './column-choice.ts';
import { childOf, draftOf, pathsOf, valueOf, type DraftObject, type FieldSchema } from './schema-draft.ts';
import { SchemaFields } from './schema-fields.tsx';

interface PersonalisationFieldsProps {
  /** of the whole training configuration */
  schema: FieldSchema;
  columns: readonly TrainingColumn[];
  target: string;
  draft: DraftObject;
  problemAt(path: string): FieldProblem | null;
  onDraft(draft: DraftObject): void;
}

const schemaOf = (schema: FieldSchema) => schema.properties?.['personalisation'] ?? {};

/** Without a column there are no heads. */
export const personalisationDraft = (schema: FieldSchema): DraftObject => draftOf(schemaOf(schema)) as DraftObject;

/** The column that tells groups apart; '' where no heads are wanted. */
export const headColumnOf = (draft: DraftObject): string => String(childOf(draft, 'column') ?? '');

export const personalisationPaths = (schema: FieldSchema, draft: DraftObject): string[] => (headColumnOf(draft) === '' ? [] : pathsOf(schemaOf(schema), draft, 'personalisation'));

/** The block of the configuration; nothing where no heads are wanted. */
export function personalisationInput(schema: FieldSchema, draft: DraftObject): object {
  return headColumnOf(draft) === '' ? {} : { personalisation: { ...(valueOf(schemaOf(schema), draft) as object), column: headColumnOf(draft) } };
}

/** Whether each machine, line or customer gets a head of its own. */
export function PersonalisationFields({ schema, columns, target, draft, problemAt, onDraft }: PersonalisationFieldsProps) {
  const { column: _column, ...others } = schemaOf(schema).properties ?? {};
  const groups = columns.filter(({ name, type, distinct }) => name !== target && type !== 'DATE' && distinct > 1);
  return (
    <Card title="Personalisation" description="A small head for each machine, line or customer over the shared model, used where it is proven better.">
      <div className="grid gap-4 sm:grid-cols-2 lg:grid-cols-4">
        <SelectField
          label="A head for each"
          value={headColumnOf(draft)}
          hint="The shared model doesn't read this column."
          choices={[{ value: '', label: 'None: one model for all' }, ...groups.map(({ name, distinct }) => ({ value: name, label: `${name} (${distinct})` }))]}
          problem={problemAt('personalisation.column')}
          onValue={(column) => onDraft({ ...draft, column })}
        />
        {headColumnOf(draft) !== '' && <SchemaFields schema={{ properties: others }} draft={draft} path="personalisation" problemAt={problemAt} onDraft={(next) => onDraft({ ...next, column: headColumnOf(draft) })} />}
      </div>
    </Card>
  );
}

import { useState, type FormEvent } from 'react';
import { Button } from '../../design/button.tsx';
import { RefusalNotice } from '../../design/refusal-notice.tsx';
import { SelectField } from '../../design/field.tsx';
import { CorrectColumnTypesDocument, type ColumnFieldsFragment, type ColumnType } from '../../gql/graphql.ts';
import { otherProblems } from '../../graphql/refusal.ts';
import { useVerb } from '../../graphql/use-verb.ts';

interface TypesFormProps {
  datasetId: string;
  columns: readonly Pick<ColumnFieldsFragment, 'name' | 'type'>[];
  onDone(): void;
}

const typeNames: Record<ColumnType, string> = { NUMBER: 'Number', CATEGORY: 'Category', BINARY: 'Two values', TEXT: 'Text', DATE: 'Date', IMAGE: 'Picture' };

/** Says what columns hold where the file was misread: makes a version with these types, read from the file anew. */
export function TypesForm({ datasetId, columns, onDone }: TypesFormProps) {
  const [chosen, setChosen] = useState<Record<string, ColumnType>>({});
  const correct = useVerb(CorrectColumnTypesDocument, { refetchQueries: ['Dataset', 'Datasets'] });
  const changed = columns.flatMap(({ name, type }) => (chosen[name] !== undefined && chosen[name] !== type ? [{ name, type: chosen[name] }] : []));

  async function submit(event: FormEvent) {
    event.preventDefault();
    if (await correct.run({ input: { datasetId, columnTypes: changed } })) onDone();
  }

  const names = new Set(columns.map(({ name }) => name));
  return (
    <form onSubmit={(event) => void submit(event)} className="space-y-4">
      <p className="text-[13.5px] text-steel-600">The version as it is stays; a new one is made with the types chosen here.</p>
      <RefusalNotice refusal={correct.refusal} problems={otherProblems(correct.refusal, (field) => names.has(field))} />
      <div className="grid max-h-[60vh] gap-3 overflow-y-auto sm:grid-cols-2">
        {columns.map(({ name, type }) => (
          <SelectField
            key={name}
            label={name}
            value={chosen[name] ?? type}
            // A column may be called like a part of a path, so no path is taken apart here.
            problem={correct.refusal?.problems.find(({ field }) => field === name)}
            choices={Object.entries(typeNames).filter(([value]) => (value === 'IMAGE') === (type === 'IMAGE')).map(([value, label]) => ({ value, label }))}
            onValue={(value) => setChosen({ ...chosen, [name]: value as ColumnType })}
          />
        ))}
      </div>
      <div className="flex justify-end">
        <Button type="submit" kind="primary" isPending={correct.isPending} disabled={changed.length === 0}>
          Make a version with these types
        </Button>
      </div>
    </form>
  );
}

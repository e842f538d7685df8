import { useQuery } from '@apollo/client/react';
import { useState, type FormEvent } from 'react';
import { Card } from '../../design/card.tsx';
import { SelectField } from '../../design/field.tsx';
import { RefusalNotice } from '../../design/refusal-notice.tsx';
import { TargetReportDocument } from '../../gql/graphql.ts';
import { otherProblems, problemOf } from '../../graphql/refusal.ts';
import { featuresOf, proposeChoices, type TrainingColumn } from './column-choice.ts';
import { ColumnsTable } from './columns-table.tsx';
import { compressionDraft, CompressionFields, compressionInput, compressionPaths, compressionSchemaFor } from './compression-fields.tsx';
import { FamilyChoice, familyNameOf } from './family-choice.tsx';
import { LeakNotice } from './leak-notice.tsx';
import { ModelNameField } from './model-name-field.tsx';
import { draftOf, pathsOf, valueOf, type DraftObject, type FieldSchema } from './schema-draft.ts';
import { SchemaFields } from './schema-fields.tsx';
import { StartRunButton } from './start-run-button.tsx';
import { useRunStart } from './use-run-start.ts';

interface SurvivalFormProps {
  datasetId: string;
  datasetName: string;
  datasetVersionId: string;
  columns: readonly TrainingColumn[];
  /** of the whole training configuration */
  schema: FieldSchema;
}

const eventsOf = <Column extends Pick<TrainingColumn, 'flags' | 'type'>>(columns: readonly Column[]) =>
  columns.filter(({ type, flags }) => type === 'BINARY' || flags.includes('two_valued'));

/** Remaining life needs a time, and a column that says whether its end was seen. */
export function canSurvive(columns: readonly Pick<TrainingColumn, 'type' | 'flags'>[]): boolean {
  return columns.some(({ type, flags }) => type === 'NUMBER' && !flags.includes('two_valued')) && eventsOf(columns).length > 0;
}

/** The value that most likely stands for an end. */
export function proposeEnd(values: readonly string[]): string {
  return values.find((value) => /^(1|true|yes|y|failed|failure|dead|event|ja)$/i.test(value)) ?? values.at(-1) ?? '';
}

/** Starts a run that learns the time to an end from rows of which some were still running. */
export function SurvivalForm({ datasetId, datasetName, datasetVersionId, columns, schema }: SurvivalFormProps) {
  const { start, isPending, refusal } = useRunStart();
  const { eventColumn: _event, observedValue: _value, models, ...others } = schema.properties?.['survival']?.properties ?? {};
  const settingsSchema: FieldSchema = { properties: others };
  const splitSchema = schema.properties?.['split'] ?? {};
  const families = models?.items?.oneOf ?? [];
  const compressSchema = compressionSchemaFor('survival', schema);
  const valuesOf = (name: string) => columns.find((column) => column.name === name)?.topValues.map(({ value }) => value) ?? [];
  const times = columns.filter(({ type, flags }) => type === 'NUMBER' && !flags.includes('two_valued')).map(({ name }) => name);
  const events = eventsOf(columns).map(({ name }) => name);

  const [modelName, setModelName] = useState(datasetName);
  const [target, setTarget] = useState(() => times.at(-1) ?? '');
  const [eventColumn, setEventColumn] = useState(() => events.at(-1) ?? '');
  const [observedValue, setObservedValue] = useState(() => proposeEnd(valuesOf(eventColumn)));
  const [choices, setChoices] = useState(() => proposeChoices(columns));
  const [acknowledged, setAcknowledged] = useState<string[]>([]);
  const [settings, setSettings] = useState(() => draftOf(settingsSchema) as DraftObject);
  const [split, setSplit] = useState(() => draftOf(splitSchema) as DraftObject);
  const [compression, setCompression] = useState(() => compressionDraft(compressSchema));
  const [chosen, setChosen] = useState<readonly string[]>(() => families.map(familyNameOf));
  const [sentFeatures, setSentFeatures] = useState<readonly string[]>([]);

  const features = featuresOf(columns, choices, target).filter(({ name }) => name !== eventColumn);
  const names = features.map(({ name }) => name);
  const report = useQuery(TargetReportDocument, { variables: { id: datasetId, target, type: 'NUMBER' }, skip: target === '' });
  const leaks = report.data?.dataset?.latestVersion?.targetReport.leaks ?? [];
  const shownPaths = new Set([
    'modelName', 'outputFeatures[0].name', 'survival.eventColumn', 'survival.observedValue',
    ...pathsOf(settingsSchema, settings, 'survival'), ...pathsOf(splitSchema, split, 'split'), ...compressionPaths(compressSchema, compression),
    ...sentFeatures.flatMap((_, index) => [`inputFeatures[${index}].name`, `inputFeatures[${index}].type`]),
  ]);
  const choicesOf = (values: readonly string[]) => values.map((value) => ({ value, label: value }));
  const problemAt = (path: string) => problemOf(refusal, path);

  async function submit(event: FormEvent) {
    event.preventDefault();
    setSentFeatures(names);
    const spec = {
      inputFeatures: features,
      outputFeatures: [{ name: target, type: 'number' }],
      split: valueOf(splitSchema, split),
      survival: {
        ...(valueOf(settingsSchema, settings) as object), eventColumn, observedValue,
        models: families.map(familyNameOf).filter((family) => chosen.includes(family)).map((family) => ({ family })),
      },
      ...compressionInput(compressSchema, compression),
    };
    await start({ datasetVersionId, modelName, spec, acknowledgedLeaks: acknowledged.filter((name) => names.includes(name)) });
  }

  return (
    <form noValidate onSubmit={(event) => void submit(event)} className="space-y-6">
      <RefusalNotice refusal={refusal} problems={otherProblems(refusal, (field) => shownPaths.has(field))} />
      <Card title="What ends, and when">
        <div className="grid gap-4 sm:grid-cols-2 lg:grid-cols-3">
          <SelectField label="Time column" value={target} hint="The time to the end, or to when a row was last looked at." choices={choicesOf(times)} problem={problemAt('outputFeatures[0].name')} onValue={setTarget} />
          <SelectField
            label="Event column"
            value={eventColumn}
            hint="Says whether the end was seen."
            choices={choicesOf(events)}
            problem={problemAt('survival.eventColumn')}
            onValue={(name) => {
              setEventColumn(name);
              setObservedValue(proposeEnd(valuesOf(name)));
            }}
          />
          <SelectField
            label="Value of an end"
            value={observedValue}
            hint="Rows with another value were still running."
            choices={choicesOf(valuesOf(eventColumn))}
            problem={problemAt('survival.observedValue')}
            onValue={setObservedValue}
          />
          <SchemaFields schema={settingsSchema} draft={settings} path="survival" problemAt={problemAt} onDraft={setSettings} />
          <ModelNameField value={modelName} refusal={refusal} onValue={setModelName} />
        </div>
      </Card>
      <Card title="What to learn from" description={`${features.length} columns chosen`} isFlush>
        <ColumnsTable
          columns={columns.filter(({ name }) => name !== eventColumn)}
          choices={choices}
          target={target}
          problemsOf={(column) => (sentFeatures.includes(column) ? ['name', 'type'].flatMap((part) => problemAt(`inputFeatures[${sentFeatures.indexOf(column)}].${part}`) ?? []) : [])}
          onChoice={(column, choice) => setChoices({ ...choices, [column]: choice })}
        />
      </Card>
      <LeakNotice leaks={leaks} features={names} acknowledged={acknowledged} onAcknowledged={setAcknowledged} />
      <Card title="Models to compare" description="The Kaplan-Meier curve, which answers every row alike, is always among them.">
        <FamilyChoice families={families} chosen={chosen} onChosen={setChosen} />
      </Card>
      <Card title="Split" description="Which rows are learnt from, and which are kept to judge the result.">
        <div className="grid gap-4 sm:grid-cols-2">
          <SchemaFields schema={splitSchema} draft={split} path="split" problemAt={problemAt} onDraft={setSplit} />
        </div>
      </Card>
      <CompressionFields schema={compressSchema} draft={compression} problemAt={problemAt} onDraft={setCompression} />
      <div className="flex justify-end">
        <StartRunButton isPending={isPending} />
      </div>
    </form>
  );
}

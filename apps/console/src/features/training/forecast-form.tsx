import { useState, type FormEvent } from 'react';
import { Card } from '../../design/card.tsx';
import { SelectField } from '../../design/field.tsx';
import { RefusalNotice } from '../../design/refusal-notice.tsx';
import { otherProblems, problemOf } from '../../graphql/refusal.ts';
import type { TrainingColumn } from './column-choice.ts';
import { FamilyChoice, familyNameOf } from './family-choice.tsx';
import { coveredFeatures, KnownColumns, knowableColumns } from './known-columns.tsx';
import { ModelNameField } from './model-name-field.tsx';
import { draftOf, pathsOf, valueOf, type DraftObject, type FieldSchema } from './schema-draft.ts';
import { SchemaFields } from './schema-fields.tsx';
import { StartRunButton } from './start-run-button.tsx';
import { useRunStart } from './use-run-start.ts';

interface ForecastFormProps {
  datasetName: string;
  datasetVersionId: string;
  columns: readonly TrainingColumn[];
  /** of the whole training configuration */
  schema: FieldSchema;
}

/** A forecast needs points in time and a quantity. */
export function canForecast(columns: readonly Pick<TrainingColumn, 'type'>[]): boolean {
  return columns.some(({ type }) => type === 'DATE') && columns.some(({ type }) => type === 'NUMBER');
}

/** Starts a run that forecasts a quantity over time. */
export function ForecastForm({ datasetName, datasetVersionId, columns, schema }: ForecastFormProps) {
  const { start, isPending, refusal } = useRunStart();
  const namesOf = (...types: TrainingColumn['type'][]) => columns.filter(({ type }) => types.includes(type)).map(({ name }) => name);
  const forecast = schema.properties?.['forecast'] ?? {};
  const { timeColumn: _time, seriesColumn: _series, models, ...others } = forecast.properties ?? {};
  const settingsSchema: FieldSchema = { ...forecast, properties: others };
  const families = models?.items?.oneOf ?? [];

  const [modelName, setModelName] = useState(datasetName);
  const [target, setTarget] = useState(() => namesOf('NUMBER').at(-1) ?? '');
  const [timeColumn, setTimeColumn] = useState(() => namesOf('DATE')[0] ?? '');
  const [seriesColumn, setSeriesColumn] = useState('');
  const [settings, setSettings] = useState(() => draftOf(settingsSchema) as DraftObject);
  const [chosen, setChosen] = useState<readonly string[]>(() => ['exponential_smoothing', 'lag_linear', 'combination']);

  const [known, setKnown] = useState<readonly string[]>([]);
  const knowable = knowableColumns(columns, [target, timeColumn, seriesColumn]);
  const inputFeatures = coveredFeatures(knowable, known);

  const shownPaths = new Set(['modelName', 'inputFeatures', 'outputFeatures[0].name', 'forecast.timeColumn', 'forecast.seriesColumn', ...pathsOf(settingsSchema, settings, 'forecast')]);
  const choicesOf = (names: string[]) => names.map((name) => ({ value: name, label: name }));

  async function submit(event: FormEvent) {
    event.preventDefault();
    const spec = {
      inputFeatures,
      outputFeatures: [{ name: target, type: 'number' }],
      forecast: {
        ...(valueOf(settingsSchema, settings) as object),
        timeColumn,
        ...(seriesColumn === '' ? {} : { seriesColumn }),
        models: families.map(familyNameOf).filter((family) => chosen.includes(family)).map((family) => ({ family })),
      },
    };
    await start({ datasetVersionId, modelName, spec });
  }

  return (
    <form noValidate onSubmit={(event) => void submit(event)} className="space-y-6">
      <RefusalNotice refusal={refusal} problems={otherProblems(refusal, (field) => shownPaths.has(field))} />
      <Card title="What to forecast">
        <div className="grid gap-4 sm:grid-cols-2 lg:grid-cols-3">
          <SelectField label="Target column" value={target} choices={choicesOf(namesOf('NUMBER'))} problem={problemOf(refusal, 'outputFeatures[0].name')} onValue={setTarget} />
          <SelectField
            label="Time column"
            value={timeColumn}
            hint="Evenly spaced times, in any order."
            choices={choicesOf(namesOf('DATE'))}
            problem={problemOf(refusal, 'forecast.timeColumn')}
            onValue={setTimeColumn}
          />
          <SelectField
            label="Series column"
            value={seriesColumn}
            hint="Tells several series apart, such as sites or products."
            choices={[{ value: '', label: 'All rows are one series' }, ...choicesOf(namesOf('CATEGORY', 'BINARY', 'TEXT', 'NUMBER').filter((name) => name !== target))]}
            problem={problemOf(refusal, 'forecast.seriesColumn')}
            onValue={setSeriesColumn}
          />
          <SchemaFields schema={settingsSchema} draft={settings} path="forecast" problemAt={(path) => problemOf(refusal, path)} onDraft={setSettings} />
          <ModelNameField value={modelName} refusal={refusal} onValue={setModelName} />
        </div>
      </Card>
      <KnownColumns columns={knowable} chosen={known} problem={problemOf(refusal, 'inputFeatures')} onChosen={setKnown} />
      <Card title="Models to compare" description="Judged by forecasts of the past. The naive and the seasonal naive forecast are always among them.">
        <FamilyChoice families={families} chosen={chosen} onChosen={setChosen} />
      </Card>
      <div className="flex justify-end">
        <StartRunButton isPending={isPending} />
      </div>
    </form>
  );
}

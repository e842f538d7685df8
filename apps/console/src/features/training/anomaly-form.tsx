import { useQuery } from '@apollo/client/react';
import { useState, type FormEvent } from 'react';
import { Card } from '../../design/card.tsx';
import { CheckField, SelectField } from '../../design/field.tsx';
import { RefusalNotice } from '../../design/refusal-notice.tsx';
import { TargetReportDocument, type TargetType } from '../../gql/graphql.ts';
import { otherProblems, problemOf } from '../../graphql/refusal.ts';
import { canBeTarget, featuresOf, proposeChoices, type TrainingColumn } from './column-choice.ts';
import { ColumnsTable } from './columns-table.tsx';
import { compressionDraft, CompressionFields, compressionInput, compressionPaths, compressionSchemaFor } from './compression-fields.tsx';
import { ConfigurationYaml } from './configuration-yaml.tsx';
import { familyNameOf } from './family-choice.tsx';
import { LeakNotice } from './leak-notice.tsx';
import { ModelNameField } from './model-name-field.tsx';
import { RunTermsFields, termPaths, termsInput, usualTerms } from './run-terms.tsx';
import { draftOf, pathsOf, valueOf, type Draft, type DraftObject, type FieldSchema } from './schema-draft.ts';
import { SchemaFields } from './schema-fields.tsx';
import { StartRunButton } from './start-run-button.tsx';
import { useRunStart } from './use-run-start.ts';

interface AnomalyFormProps {
  datasetId: string;
  datasetName: string;
  datasetVersionId: string;
  columns: readonly TrainingColumn[];
  /** of the whole training configuration */
  schema: FieldSchema;
  /** Goes on with the configuration as text. */
  onText(text: string): void;
}

/** Which metrics a form offers: those that the server takes for this task. */
const metrics = ['prAuc', 'rocAuc', 'f1', 'precision', 'recall', 'cost', 'massVolume'];

/** The parts of the configuration that the form draws from its schema: what an anomaly detection reads of them. */
export function anomalyParts(schema: FieldSchema): Record<'anomaly' | 'trainer' | 'split' | 'selection', FieldSchema> {
  const part = (name: string) => schema.properties?.[name] ?? {};
  const { models: _models, ...anomaly } = part('anomaly').properties ?? {};
  const { earlyStop: _earlyStop, ...trainer } = part('trainer').properties ?? {};
  const { metric = {}, costs = {} } = part('selection').properties ?? {};
  return {
    anomaly: { ...part('anomaly'), properties: anomaly },
    trainer: { ...part('trainer'), properties: trainer },
    split: part('split'),
    selection: { properties: { metric: { ...metric, enum: metrics.filter((name) => metric.enum?.includes(name)) }, costs } },
  };
}

/** Starts a run that tells unusual rows from usual ones. */
export function AnomalyForm({ datasetId, datasetName, datasetVersionId, columns, schema, onText }: AnomalyFormProps) {
  const { start, isPending, refusal } = useRunStart();
  const parts = anomalyParts(schema);
  const compressSchema = compressionSchemaFor('anomaly', schema);
  const families = schema.properties?.['anomaly']?.properties?.['models']?.items?.oneOf ?? [];

  const [modelName, setModelName] = useState(datasetName);
  const [label, setLabel] = useState('');
  const [positiveClass, setPositiveClass] = useState('');
  const [choices, setChoices] = useState(() => proposeChoices(columns));
  const [acknowledged, setAcknowledged] = useState<string[]>([]);
  const [settings, setSettings] = useState<Record<string, Draft>>(() => Object.fromEntries(Object.entries(parts).map(([name, part]) => [name, draftOf(part)])));
  const [models, setModels] = useState<Record<string, DraftObject>>(() => Object.fromEntries(families.map((family) => [familyNameOf(family), draftOf(family) as DraftObject])));
  const [chosen, setChosen] = useState<readonly string[]>(() => families.map(familyNameOf));
  const [compression, setCompression] = useState(() => compressionDraft(compressSchema));
  const [terms, setTerms] = useState(usualTerms);
  const [sentFeatures, setSentFeatures] = useState<readonly string[]>([]);

  const features = featuresOf(columns, choices, label);
  const names = features.map(({ name }) => name);
  const labelColumn = columns.find(({ name }) => name === label);
  const labelType = labelColumn?.flags.includes('two_valued') ? 'binary' : 'category';
  const classes = labelColumn?.topValues.map(({ value }) => value) ?? [];
  const report = useQuery(TargetReportDocument, { variables: { id: datasetId, target: label, type: labelType.toUpperCase() as TargetType }, skip: !labelColumn });
  const leaks = report.data?.dataset?.latestVersion?.targetReport.leaks ?? [];
  const used = families.filter((family) => chosen.includes(familyNameOf(family)));

  const shownPaths = new Set([
    'modelName', ...termPaths, ...compressionPaths(compressSchema, compression), ...['name', 'type', 'positiveClass'].map((name) => `outputFeatures[0].${name}`),
    ...sentFeatures.flatMap((_, index) => [`inputFeatures[${index}].name`, `inputFeatures[${index}].type`]),
    ...Object.entries(parts).flatMap(([name, part]) => pathsOf(part, settings[name], name)),
    ...used.flatMap((family, index) => pathsOf(family, models[familyNameOf(family)], `anomaly.models[${index}]`)),
  ]);

  const valueIn = (name: keyof typeof parts) => valueOf(parts[name], settings[name]) as object;
  const spec = {
    inputFeatures: features,
    outputFeatures: labelColumn ? [{ name: label, type: labelType, ...(positiveClass ? { positiveClass } : {}) }] : [],
    split: valueIn('split'),
    trainer: valueIn('trainer'),
    selection: valueIn('selection'),
    anomaly: { ...valueIn('anomaly'), models: used.map((family) => valueOf(family, models[familyNameOf(family)])) },
    ...compressionInput(compressSchema, compression),
  };

  async function submit(event: FormEvent) {
    event.preventDefault();
    setSentFeatures(names);
    await start({ datasetVersionId, modelName, spec, acknowledgedLeaks: acknowledged.filter((name) => names.includes(name)), ...termsInput(terms) });
  }

  const fieldsOf = (name: keyof typeof parts) => (
    <SchemaFields schema={parts[name]} draft={settings[name]} path={name} problemAt={(path) => problemOf(refusal, path)} onDraft={(draft) => setSettings({ ...settings, [name]: draft })} />
  );

  return (
    <form noValidate onSubmit={(event) => void submit(event)} className="space-y-6">
      <RefusalNotice refusal={refusal} problems={otherProblems(refusal, (field) => shownPaths.has(field))} />
      <Card title="What is unusual" description="Rows are scored by how unlike the others they are. No label is needed; one lets the models be judged.">
        <div className="grid gap-4 sm:grid-cols-2 lg:grid-cols-3">
          <SelectField
            label="Label"
            value={label}
            hint="A column that says which rows were anomalies. No model learns from it."
            choices={[{ value: '', label: 'There is none' }, ...columns.filter(canBeTarget).map(({ name }) => ({ value: name, label: name }))]}
            problem={problemOf(refusal, 'outputFeatures[0].name') ?? problemOf(refusal, 'outputFeatures[0].type')}
            onValue={(name) => {
              setLabel(name);
              setPositiveClass('');
            }}
          />
          {labelColumn && (
            <SelectField
              label="Value of an anomaly"
              value={positiveClass}
              hint="Rows with another value were normal."
              choices={[{ value: '', label: 'The rarer one of two' }, ...classes.map((value) => ({ value, label: value }))]}
              problem={problemOf(refusal, 'outputFeatures[0].positiveClass')}
              onValue={setPositiveClass}
            />
          )}
          {fieldsOf('anomaly')}
          <ModelNameField value={modelName} refusal={refusal} onValue={setModelName} />
        </div>
      </Card>
      <Card title="What to look at" description={`${features.length} of ${columns.length - (labelColumn ? 1 : 0)} columns chosen`} isFlush>
        <ColumnsTable
          columns={columns}
          choices={choices}
          target={label}
          problemsOf={(column) => {
            const index = sentFeatures.indexOf(column);
            return index < 0 ? [] : ['name', 'type'].flatMap((part) => problemOf(refusal, `inputFeatures[${index}].${part}`) ?? []);
          }}
          onChoice={(column, choice) => setChoices({ ...choices, [column]: choice })}
        />
      </Card>
      <LeakNotice leaks={leaks} features={names} acknowledged={acknowledged} onAcknowledged={setAcknowledged} />
      <Card title="Models to compare" description="Each learns from the same rows. A baseline that finds every row alike is added to compare with.">
        <ul className="grid gap-4 xl:grid-cols-3">
          {families.map((family) => {
            const name = familyNameOf(family);
            const place = used.indexOf(family);
            const path = `anomaly.models[${place}]`;
            return (
              <li key={name} className="rounded-md border border-steel-200 p-4">
                <CheckField
                  label={family.title ?? name}
                  hint={family.description}
                  isChecked={place >= 0}
                  isDisabled={used.length === 1 && place === 0}
                  onChecked={(isOn) => setChosen(isOn ? [...chosen, name] : chosen.filter((other) => other !== name))}
                />
                {place >= 0 && (
                  <details className="mt-2" open={pathsOf(family, models[name], path).some((field) => problemOf(refusal, field))}>
                    <summary className="text-[13px] font-medium text-steel-700">Settings of {(family.title ?? name).toLowerCase()}</summary>
                    <div className="mt-3 grid gap-4">
                      <SchemaFields
                        schema={family}
                        draft={models[name]}
                        path={path}
                        problemAt={(field) => problemOf(refusal, field)}
                        onDraft={(draft) => setModels({ ...models, [name]: { ...draft, family: name } })}
                      />
                    </div>
                  </details>
                )}
              </li>
            );
          })}
        </ul>
      </Card>
      <div className="grid gap-6 xl:grid-cols-2">
        <Card title="How the autoencoder is trained" description="Other models ignore this.">
          <div className="grid gap-4 sm:grid-cols-2">{fieldsOf('trainer')}</div>
        </Card>
        <div className="space-y-6">
          <Card title="Split" description="Which rows are learnt from, which set the threshold, and which judge the result.">
            <div className="grid gap-4 sm:grid-cols-2">{fieldsOf('split')}</div>
          </Card>
          <Card title="Selection" description="How the best model is chosen, and what errors cost. Both need a label.">
            <div className="grid gap-4 sm:grid-cols-2">{fieldsOf('selection')}</div>
          </Card>
        </div>
      </div>
      <CompressionFields schema={compressSchema} draft={compression} problemAt={(path) => problemOf(refusal, path)} onDraft={setCompression} />
      <Card title="How it runs" description="What it is computed on, and the most it may have. A run that needs more ends as failed.">
        <RunTermsFields terms={terms} problemAt={(path) => problemOf(refusal, path)} onTerms={setTerms} />
      </Card>
      <ConfigurationYaml spec={spec} onEdit={onText} />
      <div className="flex justify-end">
        <StartRunButton isPending={isPending} />
      </div>
    </form>
  );
}

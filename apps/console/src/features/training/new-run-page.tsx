import { useQuery } from '@apollo/client/react';
import { Link, useNavigate } from '@tanstack/react-router';
import { useState, type FormEvent } from 'react';
import { Button, buttonClass } from '../../design/button.tsx';
import { Card } from '../../design/card.tsx';
import { SelectField } from '../../design/field.tsx';
import { formatCount } from '../../design/format.ts';
import { Empty } from '../../design/notice.tsx';
import { Page } from '../../design/page.tsx';
import { RefusalNotice } from '../../design/refusal-notice.tsx';
import { NewRunDocument, TargetReportDocument, TrainingColumnsDocument, type TargetType, type TrainingColumnsQuery } from '../../gql/graphql.ts';
import { Loaded } from '../../graphql/loaded.tsx';
import { otherProblems, problemOf, type Problem, type Refusal } from '../../graphql/refusal.ts';
import { AnomalyForm } from './anomaly-form.tsx';
import { canBeTarget, familiesFor, featuresOf, proposeChoices, proposeTarget, proposeTargetType, typesFor, type FeatureType, type TrainingColumn } from './column-choice.ts';
import { ColumnsTable, featureTypeNames } from './columns-table.tsx';
import { CompressionFields, compressionDraft, compressionInput, compressionPaths } from './compression-fields.tsx';
import { ConfigurationTextForm } from './configuration-text-form.tsx';
import { ConfigurationYaml } from './configuration-yaml.tsx';
import { canForecast, ForecastForm } from './forecast-form.tsx';
import { LeakNotice } from './leak-notice.tsx';
import { ModelNameField } from './model-name-field.tsx';
import { headColumnOf, personalisationDraft, PersonalisationFields, personalisationInput, personalisationPaths } from './personalisation-fields.tsx';
import { canRecommend, RecommendationForm } from './recommendation-form.tsx';
import { RunTermsFields, termPaths, termsInput, usualTerms } from './run-terms.tsx';
import { childOf, draftOf, pathsOf, valueOf, type DraftObject, type FieldSchema } from './schema-draft.ts';
import { SchemaFields } from './schema-fields.tsx';
import { StartRunButton } from './start-run-button.tsx';
import { canSurvive, SurvivalForm } from './survival-form.tsx';
import { useRunStart } from './use-run-start.ts';

const back = (
  <Link to="/runs" className="hover:underline">
    Training runs
  </Link>
);

export function NewRunPage({ datasetId }: { datasetId: string | undefined }) {
  const query = useQuery(NewRunDocument);
  const navigate = useNavigate();
  return (
    <Page title="Start a training run" above={back} lead="Choose what to predict, what to learn it from, and which models to compare.">
      <Loaded what="the training configuration" query={query}>
        {({ datasets, trainingConfigurationSchema }) => {
          const choices = datasets.edges.map(({ node }) => node).filter((dataset) => dataset.latestVersion);
          const chosen = choices.find((dataset) => dataset.id === datasetId) ?? choices[0];
          if (!chosen) {
            return (
              <Card>
                <Empty
                  title="There is nothing to learn from yet"
                  action={
                    <Link to="/datasets" className={buttonClass('primary')}>
                      Upload a data set
                    </Link>
                  }
                >
                  A run learns from a data set. Upload one first.
                </Empty>
              </Card>
            );
          }
          return (
            <>
              <Card title="Data">
                <SelectField
                  label="Data set"
                  className="max-w-md"
                  value={chosen.id}
                  onValue={(id) => void navigate({ to: '/runs/new', search: { dataset: id }, replace: true })}
                  choices={choices.map((dataset) => ({
                    value: dataset.id,
                    label: `${dataset.name} (version ${dataset.latestVersion?.number}, ${formatCount(dataset.latestVersion?.rowCount ?? 0)} rows)`,
                  }))}
                />
              </Card>
              <RunForm key={chosen.id} datasetId={chosen.id} schema={trainingConfigurationSchema as FieldSchema} />
            </>
          );
        }}
      </Loaded>
    </Page>
  );
}

const runKinds = {
  rows: { label: 'Predict rows', hint: 'The model answers a row by its other columns.' },
  forecast: { label: 'Forecast over time', hint: 'The model answers what the target will be at times to come.' },
  anomaly: { label: 'Find unusual rows', hint: 'The model answers how unusual a row is. No label is needed.' },
  survival: { label: 'Remaining life', hint: 'The model answers how long it goes on, learning from rows that were still running as well.' },
  recommendation: { label: 'Recommend items', hint: 'The model answers which items go with a user: parts with machines, tools with customers.' },
};

/** What the columns allow. */
function kindsFor(columns: readonly TrainingColumn[]): (keyof typeof runKinds)[] {
  return [
    'rows',
    ...(canForecast(columns) ? (['forecast'] as const) : []),
    ...(canSurvive(columns) ? (['survival'] as const) : []),
    ...(canRecommend(columns) ? (['recommendation'] as const) : []),
    ...(columns.some(({ type }) => type === 'IMAGE') ? [] : (['anomaly'] as const)),
  ];
}

function RunForm({ datasetId, schema }: { datasetId: string; schema: FieldSchema }) {
  const query = useQuery(TrainingColumnsDocument, { variables: { id: datasetId } });
  const [kind, setKind] = useState<keyof typeof runKinds>('rows');
  const [text, setText] = useState<string | null>(null);
  return (
    <Loaded what="the columns" query={query}>
      {({ dataset }) => {
        if (!dataset?.latestVersion) return null;
        const version = dataset.latestVersion;
        if (text !== null) return <ConfigurationTextForm datasetName={dataset.name} datasetVersionId={version.id} text={text} onText={setText} onLeave={() => setText(null)} />;
        return (
          <>
            <p className="text-[13.5px] text-steel-600">
              You have the configuration as a file?{' '}
              <button type="button" className="link" onClick={() => setText('')}>
                Paste or drop YAML or JSON
              </button>
            </p>
            {kindsFor(version.columns).length > 1 && (
              <SelectField
                label="Kind of run"
                className="max-w-md"
                value={kind}
                hint={runKinds[kind].hint}
                choices={kindsFor(version.columns).map((value) => ({ value, label: runKinds[value].label }))}
                onValue={(chosen) => setKind(chosen as typeof kind)}
              />
            )}
            {kind === 'rows' && <ConfigurationForm dataset={dataset} version={version} schema={schema} onText={setText} />}
            {kind === 'forecast' && <ForecastForm datasetName={dataset.name} datasetVersionId={version.id} columns={version.columns} schema={schema} />}
            {kind === 'survival' && <SurvivalForm datasetId={dataset.id} datasetName={dataset.name} datasetVersionId={version.id} columns={version.columns} schema={schema} />}
            {kind === 'anomaly' && (
              <AnomalyForm datasetId={dataset.id} datasetName={dataset.name} datasetVersionId={version.id} columns={version.columns} schema={schema} onText={setText} />
            )}
            {kind === 'recommendation' && <RecommendationForm datasetName={dataset.name} datasetVersionId={version.id} columns={version.columns} schema={schema} />}
          </>
        );
      }}
    </Loaded>
  );
}

type Dataset = NonNullable<TrainingColumnsQuery['dataset']>;

interface ConfigurationFormProps {
  dataset: Dataset;
  version: NonNullable<Dataset['latestVersion']>;
  schema: FieldSchema;
  /** Goes on with the configuration as text. */
  onText(text: string): void;
}

/** The parts of the configuration that are drawn from its schema alone. */
const parts = ['trainer', 'split', 'selection'] as const;

function ConfigurationForm({ dataset, version, schema, onText }: ConfigurationFormProps) {
  const { columns } = version;
  const families = familiesFor(schema.properties?.['models']?.items?.oneOf ?? [], columns);
  const hasPictures = columns.some(({ type }) => type === 'IMAGE');
  const { start, isPending, refusal } = useRunStart();
  const [modelName, setModelName] = useState(dataset.name);
  const [target, setTarget] = useState(() => proposeTarget(columns));
  const [targetType, setTargetType] = useState<FeatureType | null>(null);
  const [positiveClass, setPositiveClass] = useState('');
  const [choices, setChoices] = useState(() => proposeChoices(columns));
  const [acknowledged, setAcknowledged] = useState<string[]>([]);
  // Every run adds a baseline by itself.
  const [models, setModels] = useState<DraftObject[]>(() =>
    families.filter((family) => family.properties?.['family']?.const !== 'baseline').map((family) => draftOf(family) as DraftObject),
  );
  const [isSearch, setIsSearch] = useState(false);
  const [settings, setSettings] = useState(
    () => Object.fromEntries(parts.map((part) => [part, draftOf(schema.properties?.[part] ?? {})])) as DraftObject,
  );
  const [personalisation, setPersonalisation] = useState(() => personalisationDraft(schema));
  const [compression, setCompression] = useState(() => compressionDraft(schema));
  const [terms, setTerms] = useState(usualTerms);
  // Problems name features by their place in what was sent, not in what has been chosen since.
  const [sentFeatures, setSentFeatures] = useState<readonly string[]>([]);

  const targetColumn = columns.find((column) => column.name === target);
  const typeOfTarget = targetType ?? proposeTargetType(targetColumn);
  const features = featuresOf(columns, choices, target).filter(({ name }) => name !== headColumnOf(personalisation));
  const names = features.map(({ name }) => name);
  const report = useQuery(TargetReportDocument, {
    variables: { id: dataset.id, target, type: typeOfTarget.toUpperCase() as TargetType },
    skip: !targetColumn || (typeOfTarget === 'number' && targetColumn.type !== 'NUMBER'),
  });
  const leaks = report.data?.dataset?.latestVersion?.targetReport.leaks ?? [];
  const familyOf = (draft: DraftObject) => families.find((family) => family.properties?.['family']?.const === draft['family']);
  const classes = typeOfTarget === 'number' ? [] : (targetColumn?.topValues.map(({ value }) => value) ?? []);

  const shownPaths = new Set([
    'modelName',
    'datasetVersionId',
    ...termPaths,
    ...personalisationPaths(schema, personalisation),
    ...compressionPaths(schema, compression),
    ...['name', 'type', 'positiveClass'].map((name) => `outputFeatures[0].${name}`),
    ...sentFeatures.flatMap((_, index) => [`inputFeatures[${index}].name`, `inputFeatures[${index}].type`]),
    ...parts.flatMap((part) => pathsOf(schema.properties?.[part] ?? {}, settings[part], part)),
    ...(isSearch ? [] : models.flatMap((draft, index) => pathsOf(familyOf(draft) ?? {}, draft, `models[${index}]`))),
  ]);

  const spec = {
    inputFeatures: features,
    outputFeatures: [{ name: target, type: typeOfTarget, ...(classes.length === 2 && positiveClass ? { positiveClass } : {}) }],
    ...(isSearch ? {} : { models: models.map((draft) => valueOf(familyOf(draft) ?? {}, draft)) }),
    ...Object.fromEntries(parts.map((part) => [part, valueOf(schema.properties?.[part] ?? {}, settings[part])])),
    ...personalisationInput(schema, personalisation),
    ...compressionInput(schema, compression),
  };

  async function submit(event: FormEvent) {
    event.preventDefault();
    setSentFeatures(features.map((feature) => feature.name));
    await start({ datasetVersionId: version.id, modelName, spec, acknowledgedLeaks: acknowledged.filter((name) => names.includes(name)), ...termsInput(terms) });
  }

  function fieldsOf(part: (typeof parts)[number]) {
    return (
      <div className="grid gap-4 sm:grid-cols-2">
        <SchemaFields
          schema={schema.properties?.[part] ?? {}}
          draft={settings[part]}
          path={part}
          problemAt={(path) => problemOf(refusal, path)}
          onDraft={(draft) => setSettings({ ...settings, [part]: draft })}
        />
      </div>
    );
  }

  return (
    <form noValidate onSubmit={(event) => void submit(event)} className="space-y-6">
      <RefusalNotice refusal={refusal} problems={otherProblems(refusal, (field) => shownPaths.has(field))} />
      <Card title="What to predict">
        <div className="grid gap-4 sm:grid-cols-2 lg:grid-cols-3">
          <SelectField
            label="Target column"
            value={target}
            problem={problemOf(refusal, 'outputFeatures[0].name')}
            choices={columns.filter(canBeTarget).map(({ name }) => ({ value: name, label: name }))}
            onValue={(name) => {
              setTarget(name);
              setTargetType(null);
              setPositiveClass('');
            }}
          />
          <SelectField
            label="Predict it as"
            value={typeOfTarget}
            hint={typeOfTarget === 'number' ? 'A regression: the model answers with a number.' : 'A classification: the model answers with a class.'}
            problem={problemOf(refusal, 'outputFeatures[0].type')}
            choices={targetColumn ? typesFor(targetColumn).map((type) => ({ value: type, label: featureTypeNames[type] })) : []}
            onValue={(type) => setTargetType(type as FeatureType)}
          />
          {classes.length === 2 && (
            <SelectField
              label="Positive class"
              value={positiveClass}
              hint="The one that precision, recall and F1 are about."
              problem={problemOf(refusal, 'outputFeatures[0].positiveClass')}
              choices={[{ value: '', label: 'The rarer one' }, ...classes.map((value) => ({ value, label: value }))]}
              onValue={setPositiveClass}
            />
          )}
          <ModelNameField value={modelName} refusal={refusal} onValue={setModelName} />
        </div>
      </Card>
      <Card title="What to learn from" description={`${features.length} of ${columns.length - 1} columns chosen`} isFlush>
        <ColumnsTable
          columns={columns}
          choices={choices}
          target={target}
          problemsOf={(column) => featureProblems(refusal, sentFeatures.indexOf(column))}
          onChoice={(column, choice) => setChoices({ ...choices, [column]: choice })}
        />
      </Card>
      <LeakNotice leaks={leaks} features={names} acknowledged={acknowledged} onAcknowledged={setAcknowledged} />
      <Card title="How to find the model">
        <SelectField
          label="Models"
          className="max-w-md"
          value={isSearch ? 'search' : 'listed'}
          hint={isSearch ? 'Families and settings are tried one after another until the time is up; the best are blended.' : 'You say which models are trained.'}
          choices={[{ value: 'listed', label: 'Compare the models listed' }, ...(hasPictures ? [] : [{ value: 'search', label: 'Search automatically' }])]}
          onValue={(mode) => {
            const turnedOn = mode === 'search';
            setIsSearch(turnedOn);
            const selection = settings['selection'];
            const own = typeof selection === 'object' && selection !== null ? selection : {};
            const limits = turnedOn ? { timeLimitSeconds: '60' } : { timeLimitSeconds: '', maxTrials: '', inferLimitMs: '' };
            setSettings({ ...settings, selection: { ...own, ...limits } });
          }}
        />
      </Card>
      {!isSearch && (<Card
        title="Models to compare"
        description="Each is trained on the same rows; the best becomes the new version. A baseline is added to compare with."
        actions={families.map((family) => (
          <Button key={String(family.properties?.['family']?.const)} onClick={() => setModels([...models, draftOf(family) as DraftObject])}>
            Add {family.title?.toLowerCase()}
          </Button>
        ))}
      >
        <ol className="grid gap-4 xl:grid-cols-2">
          {models.map((draft, index) => {
            const family = familyOf(draft);
            if (!family) return null;
            return (
              <li key={index} className="rounded-md border border-steel-200 p-4">
                <div className="mb-3 flex items-center justify-between gap-3">
                  <h3 className="font-semibold text-steel-900">
                    {index + 1}. {family.title}
                  </h3>
                  <Button
                    kind="quiet"
                    className="py-1 text-[13px]"
                    aria-label={`Remove model ${index + 1}`}
                    disabled={models.length === 1}
                    onClick={() => setModels(models.filter((_, other) => other !== index))}
                  >
                    Remove
                  </Button>
                </div>
                <p className="text-[13px] text-steel-600">{family.description}</p>
                <details className="mt-2" open={pathsOf(family, draft, `models[${index}]`).some((path) => problemOf(refusal, path))}>
                  <summary className="text-[13px] font-medium text-steel-700">Settings of model {index + 1}</summary>
                  <div className="mt-3 grid gap-4 sm:grid-cols-2">
                    <SchemaFields
                      schema={family}
                      draft={draft}
                      path={`models[${index}]`}
                      problemAt={(path) => problemOf(refusal, path)}
                      onDraft={(next) => setModels(models.map((other, at) => (at === index ? { ...next, family: childOf(draft, 'family') ?? '' } : other)))}
                    />
                  </div>
                </details>
              </li>
            );
          })}
        </ol>
      </Card>)}
      <div className="grid gap-6 xl:grid-cols-2">
        <Card title="How networks are trained" description="Other models ignore this.">
          {fieldsOf('trainer')}
        </Card>
        <div className="space-y-6">
          <Card title="Split" description="Which rows are learnt from, and which are kept to judge the result.">
            {fieldsOf('split')}
          </Card>
          <Card title="Selection" description="How the best model is chosen.">
            {fieldsOf('selection')}
          </Card>
        </div>
      </div>
      <PersonalisationFields schema={schema} columns={columns} target={target} draft={personalisation} problemAt={(path) => problemOf(refusal, path)} onDraft={setPersonalisation} />
      <CompressionFields schema={schema} draft={compression} problemAt={(path) => problemOf(refusal, path)} onDraft={setCompression} />
      <Card title="How it runs" description="What it is computed on, and the most it may have. A run that needs more ends as failed.">
        <RunTermsFields terms={terms} problemAt={(path) => problemOf(refusal, path)} onTerms={setTerms} />
      </Card>
      <ConfigurationYaml spec={spec} onEdit={onText} />
      <div className="sticky bottom-0 -mx-6 flex items-center justify-end gap-4 border-t border-steel-200 bg-white/95 px-6 py-3 lg:-mx-9 lg:px-9">
        <p className="text-[13px] text-steel-500">
          {isSearch ? 'Automatic search' : `${models.length} ${models.length === 1 ? 'model' : 'models'}`} on {formatCount(version.rowCount)} rows of {dataset.name}, version {version.number}
        </p>
        <StartRunButton isPending={isPending} />
      </div>
    </form>
  );
}

function featureProblems(refusal: Refusal | null, index: number): Problem[] {
  if (index === -1) return [];
  return ['name', 'type'].flatMap((part) => problemOf(refusal, `inputFeatures[${index}].${part}`) ?? []);
}

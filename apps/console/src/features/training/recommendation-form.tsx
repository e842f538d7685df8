import { useState, type FormEvent } from 'react';
import { Card } from '../../design/card.tsx';
import { CheckField, SelectField } from '../../design/field.tsx';
import { RefusalNotice } from '../../design/refusal-notice.tsx';
import { otherProblems, problemOf } from '../../graphql/refusal.ts';
import type { TrainingColumn } from './column-choice.ts';
import { compressionDraft, CompressionFields, compressionInput, compressionPaths, compressionSchemaFor } from './compression-fields.tsx';
import { familyNameOf } from './family-choice.tsx';
import { ModelNameField } from './model-name-field.tsx';
import { draftOf, pathsOf, valueOf, type DraftObject, type FieldSchema } from './schema-draft.ts';
import { SchemaFields } from './schema-fields.tsx';
import { StartRunButton } from './start-run-button.tsx';
import { useRunStart } from './use-run-start.ts';

interface RecommendationFormProps {
  datasetName: string;
  datasetVersionId: string;
  columns: readonly TrainingColumn[];
  /** of the whole training configuration */
  schema: FieldSchema;
}

type Describes = 'nothing' | 'user' | 'item';

/** A recommendation needs two columns of names. */
export function canRecommend(columns: readonly Pick<TrainingColumn, 'type'>[]): boolean {
  return columns.filter(({ type }) => type === 'CATEGORY' || type === 'TEXT').length >= 2;
}

/** The only family that learns from ratings, and the one that reads features. */
const ofRatings = ['popularity', 'matrix_factorisation'];
const ofFeatures = 'two_tower';

/** Starts a run that learns which items go with which users. */
export function RecommendationForm({ datasetName, datasetVersionId, columns, schema }: RecommendationFormProps) {
  const { start, isPending, refusal } = useRunStart();
  const namesOf = (...types: TrainingColumn['type'][]) => columns.filter(({ type }) => types.includes(type)).map(({ name }) => name);
  const block = schema.properties?.['recommendation'] ?? {};
  const { feedback: _feedback, topN, excludeSeen, models } = block.properties ?? {};
  const settingsSchema: FieldSchema = { ...block, properties: { ...(topN ? { topN } : {}), ...(excludeSeen ? { excludeSeen } : {}) } };
  const families = models?.items?.oneOf ?? [];
  const compressSchema = compressionSchemaFor('recommendation', schema);

  const names = namesOf('CATEGORY', 'TEXT', 'BINARY', 'NUMBER');
  const [modelName, setModelName] = useState(datasetName);
  const [userColumn, setUserColumn] = useState(() => namesOf('CATEGORY', 'TEXT')[0] ?? '');
  const [itemColumn, setItemColumn] = useState(() => namesOf('CATEGORY', 'TEXT')[1] ?? '');
  const [ratingColumn, setRatingColumn] = useState('');
  const [timeColumn, setTimeColumn] = useState(() => namesOf('DATE')[0] ?? '');
  const [feedback, setFeedback] = useState('implicit');
  const [settings, setSettings] = useState(() => draftOf(settingsSchema) as DraftObject);
  const [left, setLeft] = useState<readonly string[]>([]);
  const [drafts, setDrafts] = useState(() => Object.fromEntries(families.map((family) => [familyNameOf(family), draftOf(family) as DraftObject])));
  const [compression, setCompression] = useState(() => compressionDraft(compressSchema));
  const [described, setDescribed] = useState<Record<string, Describes>>({});

  const others = columns.filter(({ name, type }) => ['NUMBER', 'CATEGORY', 'BINARY'].includes(type) && ![userColumn, itemColumn, ratingColumn, timeColumn].includes(name));
  const featuresOf = (whose: Describes) => others.filter(({ name }) => described[name] === whose).map(({ name, type }) => ({ name, type: type.toLowerCase() }));
  const offered = families.filter((family) => feedback === 'implicit' || ofRatings.includes(familyNameOf(family)));
  const chosen = offered.filter((family) => !left.includes(familyNameOf(family)));

  const shownPaths = new Set([
    'modelName', 'recommendation.userColumn', 'recommendation.itemColumn', 'recommendation.ratingColumn', 'recommendation.timeColumn',
    ...pathsOf(settingsSchema, settings, 'recommendation'), ...compressionPaths(compressSchema, compression),
    ...chosen.flatMap((family, index) => pathsOf(family, drafts[familyNameOf(family)]!, `recommendation.models[${index}]`)),
  ]);
  const choicesOf = (listed: string[]) => listed.map((name) => ({ value: name, label: name }));

  async function submit(event: FormEvent) {
    event.preventDefault();
    const readsFeatures = chosen.some((family) => familyNameOf(family) === ofFeatures);
    const spec = {
      inputFeatures: [],
      outputFeatures: [{ name: itemColumn, type: 'category' }],
      recommendation: {
        ...(valueOf(settingsSchema, settings) as object),
        userColumn,
        itemColumn,
        ...(ratingColumn === '' ? {} : { ratingColumn }),
        ...(timeColumn === '' ? {} : { timeColumn }),
        feedback,
        ...(readsFeatures ? { userFeatures: featuresOf('user'), itemFeatures: featuresOf('item') } : {}),
        models: chosen.map((family) => valueOf(family, drafts[familyNameOf(family)]!)),
      },
      ...compressionInput(compressSchema, compression),
    };
    await start({ datasetVersionId, modelName, spec });
  }

  return (
    <form noValidate onSubmit={(event) => void submit(event)} className="space-y-6">
      <RefusalNotice refusal={refusal} problems={otherProblems(refusal, (field) => shownPaths.has(field))} />
      <Card title="What to recommend">
        <div className="grid gap-4 sm:grid-cols-2 lg:grid-cols-3">
          <SelectField
            label="User column" hint="Who is recommended to: a machine, a line, a customer." value={userColumn} choices={choicesOf(names)}
            problem={problemOf(refusal, 'recommendation.userColumn')} onValue={setUserColumn}
          />
          <SelectField
            label="Item column" hint="What is recommended: a spare part, a tool, a supplier." value={itemColumn} choices={choicesOf(names)}
            problem={problemOf(refusal, 'recommendation.itemColumn')} onValue={setItemColumn}
          />
          <SelectField
            label="What a row says" value={feedback}
            choices={[{ value: 'implicit', label: 'The user had the item' }, { value: 'explicit', label: 'How good the item was' }]}
            hint={feedback === 'implicit' ? 'Implicit feedback.' : 'Explicit feedback: the rating column holds it.'} onValue={setFeedback}
          />
          <SelectField
            label={feedback === 'implicit' ? 'Amount column' : 'Rating column'} value={ratingColumn}
            choices={[{ value: '', label: feedback === 'implicit' ? 'Each row counts 1' : 'None' }, ...choicesOf(namesOf('NUMBER'))]}
            problem={problemOf(refusal, 'recommendation.ratingColumn')} onValue={setRatingColumn}
          />
          <SelectField
            label="Time column" hint="What is tested is what users had last." value={timeColumn}
            choices={[{ value: '', label: 'None: drawn by the seed' }, ...choicesOf(namesOf('DATE', 'NUMBER'))]}
            problem={problemOf(refusal, 'recommendation.timeColumn')} onValue={setTimeColumn}
          />
          <SchemaFields schema={settingsSchema} draft={settings} path="recommendation" problemAt={(path) => problemOf(refusal, path)} onDraft={setSettings} />
          <ModelNameField value={modelName} refusal={refusal} onValue={setModelName} />
        </div>
      </Card>
      {feedback === 'implicit' && others.length > 0 && (
        <Card title="What describes them" description="Columns that say the same in each row of one user, or of one item. The two-tower network reads them, and so knows something of new ones.">
          <div className="grid gap-4 sm:grid-cols-2 lg:grid-cols-3">
            {others.map(({ name }) => (
              <SelectField
                key={name} label={name} value={described[name] ?? 'nothing'}
                choices={[{ value: 'nothing', label: 'Not used' }, { value: 'user', label: 'Describes the user' }, { value: 'item', label: 'Describes the item' }]}
                onValue={(value) => setDescribed({ ...described, [name]: value as Describes })}
              />
            ))}
          </div>
        </Card>
      )}
      <Card title="Models to compare" description="Judged by what users had last. Popularity is always among them.">
        <div className="grid gap-4 sm:grid-cols-2">
          {offered.map((family) => {
            const name = familyNameOf(family);
            const isOn = !left.includes(name);
            const path = `recommendation.models[${chosen.indexOf(family)}]`;
            return (
              <div key={name}>
                <CheckField label={family.title ?? name} hint={family.description} isChecked={isOn} onChecked={(on) => setLeft(on ? left.filter((other) => other !== name) : [...left, name])} />
                {isOn && Object.keys(family.properties ?? {}).length > 1 && (
                  <details className="mt-2 ml-7">
                    <summary className="text-[13px] font-medium text-steel-700">Settings</summary>
                    <div className="mt-3 grid gap-4 sm:grid-cols-2">
                      <SchemaFields
                        schema={family} draft={drafts[name]!} path={path} problemAt={(at) => problemOf(refusal, at)}
                        onDraft={(next) => setDrafts({ ...drafts, [name]: { ...next, family: name } })}
                      />
                    </div>
                  </details>
                )}
              </div>
            );
          })}
        </div>
      </Card>
      <CompressionFields schema={compressSchema} draft={compression} problemAt={(path) => problemOf(refusal, path)} onDraft={setCompression} />
      <div className="flex justify-end">
        <StartRunButton isPending={isPending} />
      </div>
    </form>
  );
}

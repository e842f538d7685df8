import { type OptimisationStep, parseTrainingSpec } from '@millrace/configuration';
import { type Backend, detectAnomalies, optimiseDetector, optimiseRecommender, recommend, type Row, trainAnomaly, trainRecommender } from '@millrace/learning';
import { agree, buildDetectorPackage, buildRecommenderPackage, readDetector, readRecommender } from '@millrace/packaging';
import { appraisePackage, checkedRows, printLine } from './optimised-line.ts';
import { recommendationTask } from './recommend.ts';
import { readScoredDataset } from './scored-data.ts';
import { say } from './servers.ts';

const facts = { metrics: {}, lineage: {} };
const int8: OptimisationStep = { method: 'quantise', to: 'int8' };
const float16: OptimisationStep = { method: 'quantise', to: 'float16' };

const recommenders = [
  { name: 'matrix factorisation, tools', shape: 'tools of customers', model: { family: 'matrix_factorisation' } },
  { name: 'two towers, parts', shape: 'the same, described', model: { family: 'two_tower' } },
];
const detectors = [
  { name: 'isolation forest, AI4I', model: { family: 'isolation_forest' }, steps: [[0.5], [0.25], [0.1]].map(([keep]): OptimisationStep[] => [{ method: 'prune_trees', keep: keep! }]) },
  { name: 'autoencoder, AI4I', model: { family: 'autoencoder', hiddenLayers: [256, 128] }, steps: [[float16], [int8], [{ ...int8, calibration: 'dynamic' } as OptimisationStep]] },
];

/** The lines of `bench optimise` for recommenders and detectors of anomalies. */
export async function benchOtherKinds(only: string, backend: Backend): Promise<void> {
  for (const { name, shape, model } of recommenders.filter((own) => own.name.includes(only))) {
    say(name);
    const { table, spec } = recommendationTask(shape, [model]);
    const trained = await trainRecommender({ table, spec });
    if (trained.type !== 'trained') throw new Error(JSON.stringify(trained));
    const built = buildRecommenderPackage(trained.trials[0]!.recommender, facts);
    const read = readRecommender(built.files);
    if (read.type !== 'read') throw new Error(read.message);
    const base = read.recommender;
    const rows = base.users.slice(0, 200).map((user) => ({ [base.user]: user }));
    for (const steps of [[], [float16], [int8]]) {
      const appraise = async (one: typeof base) => appraisePackage(buildRecommenderPackage(one, facts), rows);
      const outcome = await optimiseRecommender({ base, table, spec, settings: spec.recommendation!.models[0]!, optimisation: { steps: steps.length > 0 ? steps : [float16] }, appraise });
      if (outcome.type !== 'optimised') throw new Error(JSON.stringify(outcome));
      const { model: made, interval } = steps.length === 0 ? outcome.base : outcome.candidates[0]!;
      await printLine({ name, steps, interval, before: built, after: buildRecommenderPackage(made, facts), rows }, async (own) =>
        agree(rows.map((row) => recommend(made, { user: row[base.user]! })), await own.predict(checkedRows(own, rows)), { type: 'items', scale: 1 }));
    }
  }
  const ai4i = readScoredDataset('ai4i2020')!;
  for (const { name, model, steps: all } of detectors.filter((own) => own.name.includes(only))) {
    say(name);
    const parsed = parseTrainingSpec({
      inputFeatures: ai4i.inputs, outputFeatures: [{ name: ai4i.target.name, type: 'binary', positiveClass: '1' }],
      split: { trainFraction: 0.7 }, trainer: { epochs: 20 }, anomaly: { falseAlarmRate: 0.02, learnFrom: 'normal', models: [model] },
    });
    if (parsed.type === 'invalid') throw new Error(JSON.stringify(parsed.problems));
    const { spec } = parsed;
    const trained = await trainAnomaly({ table: ai4i.table, spec, backend });
    if (trained.type !== 'trained') throw new Error(JSON.stringify(trained));
    const built = buildDetectorPackage(trained.trials[0]!.detector, facts);
    const read = readDetector(built.files);
    if (read.type !== 'read') throw new Error(read.message);
    const base = read.detector;
    const rows = Array.from(trained.split.test.subarray(0, 200), (place): Row => Object.fromEntries(base.features.map((feature) => [feature.name, ai4i.table.columns.find((column) => column.name === feature.name)!.values[place]!])));
    for (const steps of [[], ...all]) {
      const appraise = async (one: typeof base) => appraisePackage(buildDetectorPackage(one, facts), rows);
      const outcome = await optimiseDetector({ base, table: ai4i.table, spec, backend, optimisation: { steps: steps.length > 0 ? steps : all[0]! }, appraise });
      if (outcome.type !== 'optimised') throw new Error(JSON.stringify(outcome));
      const { model: made, interval } = steps.length === 0 ? outcome.base : outcome.candidates[0]!;
      await printLine({ name, steps, interval, before: built, after: buildDetectorPackage(made, facts), rows }, async (own) =>
        agree(await detectAnomalies(made, rows), await own.predict(checkedRows(own, rows)), { type: 'anomaly', threshold: made.threshold }, made.scorer.family === 'autoencoder' ? made.scorer : undefined));
    }
  }
}

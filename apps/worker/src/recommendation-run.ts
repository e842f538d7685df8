import { readTable } from '@millrace/datasets';
import { compressRecommender, type FittedRecommender, recommend, type RecommendationTable, type RecommenderTrial, trainRecommender } from '@millrace/learning';
import { agree, buildRecommenderPackage } from '@millrace/packaging';
import { acceptedRows, appraise, type ModelKind } from './model-kind.ts';
import { type Candidate, publishRun } from './publish-run.ts';
import { type Surroundings, tellUntrained } from './surroundings.ts';
import type { TrainerJob } from './trainer-protocol.ts';

/** Answers on which the engines are compared. */
const agreementRows = 200;

/** A run whose configuration asks for recommendations. */
export async function runRecommendation(job: TrainerJob, how: Surroundings): Promise<void> {
  const { spec } = job;
  const { signal, checkpoint, send } = how;
  const table = await readRecommendationTable(job);
  const outcome = await trainRecommender({
    table, spec, signal, checkpoint,
    onEvent(event) {
      if (event.type === 'checkpoint-ignored') return undefined;
      if (event.type !== 'epoch') return send(event);
      const { trial, epoch, epochs, loss } = event;
      return send({ type: 'epoch', trial, epoch, epochs, values: { loss, valLoss: null } });
    },
  });
  if (outcome.type !== 'trained') return tellUntrained(outcome, send);
  const { trials, best, selectionMetric, rows, failures } = outcome;
  const backend = how.backend.name;
  const warnings = [...outcome.warnings, ...failures.map(({ problem }) => problem.message)];
  const shownOf = (_recommender: FittedRecommender, sample: object | undefined) => ({ sample, warnings });
  const candidateOf = ({ model: number, recommender, sample, ...trial }: RecommenderTrial): Candidate<FittedRecommender> => ({ ...trial, number, model: recommender, shown: shownOf(recommender, sample) });
  await publishRun(job, {
    kind: recommenderKind, candidates: trials.map(candidateOf), best, selectionMetric, divided: { rows }, lineage: { backend, rows }, backend, shownOf,
    // Popularity, which may be asked for or stand after all, is as small as it can be.
    compress: ({ number, model }, maxLoss) =>
      compressRecommender({ base: model, table, spec, settings: spec.recommendation!.models[number]!, maxLoss, signal, appraise: (recommender) => appraise(recommenderKind, recommender) }),
  }, how);
}

/** Times are read as words, whose order is found as they come: a column of dates can't be read as numbers, nor the other way round. */
export async function readRecommendationTable({ datasetPath, spec }: TrainerJob): Promise<RecommendationTable> {
  const { userColumn, itemColumn, ratingColumn, timeColumn, userFeatures, itemFeatures } = spec.recommendation!;
  const optional = <T extends 'number' | 'category'>(name: string | undefined, type: T) => (name === undefined ? [] : [{ name, type }]);
  const { columns } = await readTable<'number' | 'category' | 'binary'>(datasetPath, [
    { name: userColumn, type: 'category' }, { name: itemColumn, type: 'category' },
    ...optional(ratingColumn, 'number'), ...optional(timeColumn, 'category'), ...userFeatures, ...itemFeatures,
  ]);
  const byName = new Map(columns.map((column) => [column.name, column]));
  const words = (name: string) => byName.get(name)!.values as (string | null)[];
  return {
    users: words(userColumn),
    items: words(itemColumn),
    ratings: ratingColumn === undefined ? null : (byName.get(ratingColumn)!.values as Float64Array),
    times: timeColumn === undefined ? null : words(timeColumn),
    userFeatures: userFeatures.map(({ name }) => byName.get(name)!),
    itemFeatures: itemFeatures.map(({ name }) => byName.get(name)!),
  };
}

export const recommenderKind: ModelKind<FittedRecommender> = {
  pack: buildRecommenderPackage,
  sampleRow: ({ user, users }) => ({ [user]: users[0]! }),
  /** Users spread evenly over all of them, and one who is not known; every other asks to leave out what comes first. */
  async compare(recommender, loaded) {
    const { user, users, items } = recommender;
    const count = Math.min(agreementRows - 1, users.length);
    const asked = [null, ...Array.from({ length: count }, (_, at) => users[Math.floor((at * users.length) / count)]!)];
    const requests = asked.map((name, at) => ({ user: name, exclude: at % 2 === 0 ? [] : recommend(recommender, { user: name }).items.slice(0, 1).concat(items[at % items.length]!) }));
    const rows = acceptedRows(loaded, requests.map(({ user: name, exclude }) => ({ [user]: name, exclude })));
    const learned = requests.map((request) => recommend(recommender, request));
    const scale = Math.max(1, ...learned.flatMap(({ scores }) => scores.map(Math.abs)));
    return agree(learned, await loaded.predict(rows), { type: 'items', scale });
  },
};

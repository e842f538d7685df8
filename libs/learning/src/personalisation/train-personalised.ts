import { selectionMetricOf, type TrainingSpec } from '@millrace/configuration';
import { scoreRows } from '../families/families.ts';
import { learnableTable } from '../learnable-table.ts';
import type { Metrics } from '../metrics.ts';
import { createPacer } from '../pacer.ts';
import type { Scores } from '../predict.ts';
import { prepareData, type PreparedData, scoresToMetric, scoresToMetrics } from '../prepared-data.ts';
import { scoresAt, scoreSlices } from '../slices.ts';
import { categoryAt, findColumn, type Problem } from '../table.ts';
import { train, type TrainOptions, type TrainOutcome, type Trial } from '../train.ts';
import { keepHeadRows, withoutHeadRows } from './head-rows.ts';
import { type GroupProof, personalise, type Personalised } from './personalise.ts';

/** What heads made of a trial, on the same test rows. */
export interface PersonalisationReport {
  column: string;
  shrinkage: number;
  /** The shared model alone, on the test rows. */
  base: Metrics;
  groups: number;
  /** Groups whose head is used. */
  heads: number;
  /** Test rows that a head answered. */
  personalisedRows: number;
  /** Mean loss over all proof rows, of the shared model and with heads: never more. */
  proof: { rows: number; base: number; personalised: number };
  /** Groups with rows enough for a head, the largest gain first; at most 200. The scores are the selection metric on their test rows. */
  byGroup: (GroupProof & { testRows: number; baseScore: number | null; score: number | null })[];
}

const mostListed = 200;

/**
 * As `train`, of a configuration with a personalisation: the shared models learn from all rows but those kept for heads, and
 * each trial gets its heads. Its test metrics are those with heads; the choice of the best is that among the shared models.
 */
export async function trainPersonalised(options: TrainOptions): Promise<TrainOutcome> {
  const { signal } = options;
  const learnable = learnableTable(options);
  if (learnable.type === 'invalid') return learnable;
  const { table, spec } = learnable;
  const data = prepareData(table, spec);
  if (data.type === 'invalid') return data;
  const { groups, kept } = keepHeadRows(data, spec);
  if (kept.length === 0) return { type: 'invalid', problems: [tooFewRows(spec.personalisation!)] };

  // What is compressed is the model with its heads.
  const { personalisation: _heads, compress: _later, ...others } = spec;
  // Of two classes that are nearly equal, the rarer could be another one without the rows for heads.
  const { target } = data;
  const positive = target.task === 'classification' && target.positiveClass !== null ? { positiveClass: target.positiveClass } : {};
  const shared = { ...others, outputFeatures: others.outputFeatures.map((output) => ({ ...output, ...positive })) };
  const aside = kept.reduce((sum, { fit, proof }) => sum + fit.length + proof.length, 0);
  const outcome = await train({ ...options, spec: shared, table: withoutHeadRows(table, data.target.name, kept), testRows: data.split.test });
  if (outcome.type !== 'trained') return outcome;
  const classes = target.task === 'classification' ? target.classes.join('\n') : null;
  for (const { pipeline } of outcome.trials) {
    const learned = pipeline.target.type === 'number' ? null : pipeline.target.classes.join('\n');
    if (learned !== classes) return { type: 'invalid', problems: [rareClass] };
  }
  const pacer = createPacer(signal);
  const trials: Trial[] = [];
  for (const trial of outcome.trials) {
    const begun = performance.now();
    const personalised = await personalise(trial.pipeline, data, spec, groups, kept, pacer);
    if (!personalised) return { type: 'cancelled' };
    const [before, scores] = [await scoreRows(trial.pipeline, table, data.split.test, pacer), await scoreRows(personalised.pipeline, table, data.split.test, pacer)];
    if (!before || !scores) return { type: 'cancelled' };
    const halfWidth = trial.pipeline.target.type === 'number' ? trial.pipeline.target.interval?.halfWidth : undefined;
    const { appraisal: _before, ...rest } = trial;
    trials.push({
      ...rest,
      pipeline: personalised.pipeline,
      fitTimeSeconds: trial.fitTimeSeconds + (performance.now() - begun) / 1000,
      metrics: { ...trial.metrics, test: scoresToMetrics(data, data.split.test, scores, halfWidth), slices: scoreSlices(data, spec, data.split.test, scores, selectionMetricOf(spec)) },
      personalisation: reportOf(data, spec, personalised, trial.metrics.test, before, scores),
    });
  }
  return { ...outcome, trials, dropped: outcome.dropped - aside };
}

const rareClass: Problem = {
  field: 'personalisation.share',
  message: 'All rows of a rare class were kept for the heads, and none was left for the shared model.',
  remedy: 'Add rows of that class, or keep a smaller share for heads.',
};

function reportOf(data: PreparedData, spec: TrainingSpec, { pipeline, proofs, shrinkage }: Personalised, base: Metrics, before: Scores, after: Scores): PersonalisationReport {
  const { column } = spec.personalisation!;
  const own = findColumn(data.table, column)!;
  const { test } = data.split;
  const places = new Map<string, number[]>();
  test.forEach((row, at) => {
    const group = categoryAt(own, row);
    if (group === null) return;
    const known = places.get(group);
    if (known) known.push(at);
    else places.set(group, [at]);
  });
  const metric = selectionMetricOf(spec);
  const scoreAt = (scores: Scores, at: number[]) => (at.length === 0 ? null : scoresToMetric(data, Int32Array.from(at, (place) => test[place]!), scoresAt(scores, at, test.length), metric));
  const answered = proofs.filter(({ isKept }) => isKept).reduce((sum, { group }) => sum + (places.get(group)?.length ?? 0), 0);
  const rows = proofs.reduce((sum, { proofRows }) => sum + proofRows, 0);
  const meanOf = (of: (proof: GroupProof) => number) => proofs.reduce((sum, proof) => sum + proof.proofRows * of(proof), 0) / rows;
  return {
    column, shrinkage, base,
    groups: pipeline.heads!.groups.length,
    heads: proofs.filter(({ isKept }) => isKept).length,
    personalisedRows: answered,
    proof: { rows, base: meanOf((proof) => proof.base), personalised: meanOf((proof) => (proof.isKept ? proof.head : proof.base)) },
    byGroup: proofs
      .toSorted((a, b) => b.base - b.head - (a.base - a.head))
      .slice(0, mostListed)
      .map((proof) => {
        const at = places.get(proof.group) ?? [];
        return { ...proof, testRows: at.length, baseScore: scoreAt(before, at), score: scoreAt(after, at) };
      }),
  };
}

const tooFewRows = ({ column, minRows }: { column: string; minRows: number }): Problem => ({
  field: 'personalisation.minRows',
  message: `No value of "${column}" has ${minRows} rows to learn from: no group would get a head.`,
  remedy: 'Ask for fewer rows of a group, or remove the block.',
});

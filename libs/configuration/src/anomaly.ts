import { z } from 'zod';
import { type ColumnSummary, unknownColumn } from './column-summary.ts';
import type { SpecProblem } from './spec-problem.ts';

const robustZScoreSchema = z
  .strictObject({
    family: z.literal('robust_z_score'),
    combine: z.enum(['largest', 'combined']).default('largest').meta({
      title: 'Combine',
      description: 'largest: a row is as unusual as its most unusual column; combined: the root of the mean square of all columns.',
    }),
  })
  .meta({
    title: 'Robust z-score',
    description: 'How far each column lies from its median, by its median deviation; of a category, how rare its value is. Easy to explain, blind to combinations.',
  });

const isolationForestSchema = z
  .strictObject({
    family: z.literal('isolation_forest'),
    numTrees: z.int().min(1).max(2000).default(200).meta({ title: 'Trees' }),
    sampleSize: z.int().min(2).max(65_536).default(256).meta({
      title: 'Rows of a tree',
      description: 'Drawn for each tree anew; more let it see finer patterns, fewer keep anomalies from hiding each other.',
    }),
  })
  .meta({
    title: 'Isolation forest',
    description: 'Random divisions: the fewer it takes to set a row apart from others, the more unusual it is. Sees combinations; takes gaps and categories as they are.',
  });

const autoencoderSchema = z
  .strictObject({
    family: z.literal('autoencoder'),
    hiddenLayers: z.array(z.int().min(1).max(4096)).max(8).default([32]).meta({
      title: 'Hidden layers',
      description: 'Units of the layers from the inputs to the code; they come again, in reverse, from the code to the outputs.',
    }),
    codeSize: z.int().min(1).max(1024).optional().meta({
      title: 'Code',
      description: 'Numbers that a row is squeezed into. Default: half of the numbers that a row encodes to.',
    }),
    activation: z.enum(['relu', 'tanh', 'sigmoid', 'elu']).default('tanh').meta({ title: 'Activation', description: 'Between the layers.' }),
    dropout: z.number().min(0).max(0.9).default(0.1).meta({
      title: 'Dropout',
      description: 'Share of the hidden units that each training step leaves out, against learning to copy: what is copied is never unusual.',
    }),
  })
  .meta({
    title: 'Autoencoder',
    description: 'A network that learns to say each row again through a bottleneck. What it says badly is unusual; which column, it tells. Trained as the trainer says.',
  });

const anomalyModelSchema = z.discriminatedUnion('family', [robustZScoreSchema, isolationForestSchema, autoencoderSchema]).meta({ title: 'Anomaly model' });

/** One candidate of an anomaly detection: a family and its settings. */
export type AnomalyModelSettings = z.output<typeof anomalyModelSchema>;
export type AnomalyFamily = AnomalyModelSettings['family'];

/** The block of a training configuration that makes its run an anomaly detection. */
export const anomalySchema = z
  .strictObject({
    falseAlarmRate: z.number().min(0.0001).max(0.5).default(0.01).meta({
      title: 'False-alarm rate',
      description: 'The share of normal rows that may be reported. The threshold is set by it, on rows held back.',
    }),
    learnFrom: z.enum(['all', 'normal']).default('all').meta({
      title: 'Learn from',
      description: 'all: every row, labelled or not; normal: only rows that the label calls normal, which needs a label.',
    }),
    contamination: z.number().min(0).max(0.4).default(0).meta({
      title: 'Contamination',
      description: 'Share of the rows that are taken for anomalies when the threshold is set: the highest scores among those held back. With learnFrom all.',
    }),
    models: z
      .array(anomalyModelSchema)
      .min(1)
      .max(20)
      .prefault([{ family: 'robust_z_score' }, { family: 'isolation_forest' }, { family: 'autoencoder' }])
      .meta({ title: 'Models', description: 'The candidates. A baseline that scores every row alike is always tried beside them.' }),
  })
  .meta({
    title: 'Anomaly detection',
    description: 'Scores how unusual a row is. The target is optional: a label that says which rows were anomalies, for evaluation. The models of rows and searches do not count.',
  });

export type AnomalySettings = z.output<typeof anomalySchema>;

/** Metrics by which an anomaly detection may be selected; all but the last need a label. */
const anomalyMetrics = ['prAuc', 'rocAuc', 'f1', 'precision', 'recall', 'cost', 'massVolume'] as const;
export type AnomalyMetric = (typeof anomalyMetrics)[number];

/** Fewer rows than this show nothing that is usual. */
const minRows = 20;

interface AnomalySpec {
  anomaly: AnomalySettings;
  outputFeatures: { name: string; type: string; positiveClass?: string | undefined }[];
  split: { type?: string | undefined; trainFraction: number; validationFraction: number };
  trainer: { earlyStop: unknown };
  selection: { metric?: string | undefined; costs?: object | undefined } & Record<string, unknown>;
}

/** What of the label and the settings stands in the way of detecting anomalies; inputs and split are checked as those of any run. */
export function checkAnomaly(spec: AnomalySpec, columns: ColumnSummary[]): SpecProblem[] {
  const { anomaly, selection } = spec;
  const label = spec.outputFeatures[0];
  const problems: SpecProblem[] = [];
  const report = (field: string, message: string, remedy: string) => problems.push({ field, message, remedy });

  if (label) problems.push(...checkLabel(label, columns));
  else if (anomaly.learnFrom === 'normal') report('anomaly.learnFrom', 'Without a label nobody knows which rows are normal.', 'Name the label as the target, or learn from all rows.');
  if (anomaly.learnFrom === 'normal' && anomaly.contamination > 0) {
    report('anomaly.contamination', 'Rows that are known to be normal hold no anomalies.', 'Set it to 0, or learn from all rows.');
  }
  if (anomaly.models.some(({ family }) => family === 'autoencoder') && spec.trainer.earlyStop !== null) {
    report('trainer.earlyStop', 'An early stop would look at the rows that the threshold is set on.', 'Leave it out and set the number of epochs.');
  }
  if (spec.split.type === 'stratified' && !label) report('split.type', 'A stratified split needs a label.', 'Use a random split.');
  problems.push(...checkRowCount(spec, columns));

  const { metric, costs, ...rest } = selection;
  for (const [name, value] of Object.entries(rest)) {
    if (value !== undefined) report(`selection.${name}`, 'This guides models with a target only.', 'Remove it: an anomaly detection tries all of its candidates.');
  }
  const needsLabel = 'Name the label as the target, or leave it out.';
  if (costs && !label) report('selection.costs', 'Without a label nobody knows which alarms are false.', needsLabel);
  if (metric !== undefined && !anomalyMetrics.some((name) => name === metric)) {
    report('selection.metric', `"${metric}" does not measure an anomaly detection.`, `Give one of: ${anomalyMetrics.join(', ')}.`);
  } else if (metric !== undefined && metric !== 'massVolume' && !label) {
    report('selection.metric', `"${metric}" needs to know which rows were anomalies.`, 'Name the label as the target, or give massVolume.');
  } else if (metric === 'cost' && !costs) {
    report('selection.metric', 'There are no costs to measure by.', 'Give selection.costs, or another metric.');
  }
  return problems;
}

function checkLabel({ name, type, positiveClass }: AnomalySpec['outputFeatures'][number], columns: ColumnSummary[]): SpecProblem[] {
  const column = columns.find((one) => one.name === name);
  const field = 'outputFeatures[0]';
  if (type === 'number') return [{ field: `${field}.type`, message: 'A label tells anomalies from normal rows; a quantity does not.', remedy: 'Use type "binary" or "category".' }];
  if (!column) return [unknownColumn(`${field}.name`, name, columns)];
  const values = column.counts?.slice(0, 20).map(({ value }) => value).join(', ');
  if (type === 'binary' && column.distinct > 2) return [{ field: `${field}.type`, message: `"${name}" has ${column.distinct} different values, not two.`, remedy: 'Use type "category" and name the positive class.' }];
  if (column.distinct < 2) return [{ field: `${field}.name`, message: `"${name}" has ${column.distinct === 0 ? 'no values' : 'one value only'}: it tells nothing apart.`, remedy: 'Choose another label, or none.' }];
  if (positiveClass === undefined) {
    if (column.distinct === 2) return [];
    return [{ field: `${field}.positiveClass`, message: `"${name}" has ${column.distinct} values: which of them is the anomaly?`, remedy: values ? `Give one of: ${values}.` : 'Name one of its values.' }];
  }
  if (column.counts && !column.counts.some(({ value }) => value === positiveClass)) {
    return [{ field: `${field}.positiveClass`, message: `"${name}" has no value "${positiveClass}".`, remedy: `Give one of: ${values}.` }];
  }
  return [];
}

/** A rate of 1 in 100 cannot be read off fewer than 99 rows. */
function checkRowCount({ anomaly, outputFeatures, split, selection }: AnomalySpec, columns: ColumnSummary[]): SpecProblem[] {
  const rows = columns[0]?.rows ?? 0;
  if (rows < minRows) return [{ field: 'inputFeatures', message: `${rows} rows are too few to learn what is usual.`, remedy: `Give at least ${minRows} rows.` }];
  if (selection.costs) return [];
  const label = columns.find(({ name }) => name === outputFeatures[0]?.name);
  const positive = outputFeatures[0]?.positiveClass;
  const counts = label?.counts ?? [];
  const anomalies = counts.find(({ value }) => value === positive)?.count ?? Math.min(rows, ...counts.map(({ count }) => count));
  const normal = anomaly.learnFrom === 'normal' && label ? rows - label.missing - (counts.length > 0 ? anomalies : 0) : rows * (1 - anomaly.contamination);
  const held = Math.round(normal * split.trainFraction * split.validationFraction);
  const least = 1 / (held + 1);
  if (held > 0 && anomaly.falseAlarmRate >= least - 1e-9) return [];
  const share = Number((Math.ceil(least * 1000) / 1000).toFixed(3));
  return [{
    field: 'anomaly.falseAlarmRate',
    message: `About ${held} normal rows are held back to set the threshold; a rate of ${anomaly.falseAlarmRate} cannot be told from them.`,
    remedy: `Give at least ${share}, more rows, or a larger split.validationFraction.`,
  }];
}

import { type EnsureFit, ensureFitOf } from './ensure-fit.ts';
import { complaintOfStorage } from './weight-storage.ts';
import { assertFeatures, encodedWidth, type FittedFeature } from './fitted-columns.ts';
import type { DenseEstimator } from './fitted-estimator.ts';
import { assertForest, type DecisionTree } from './fitted-trees.ts';

const ensure: EnsureFit = ensureFitOf('detector');

/** A trained detector of anomalies, as the training engine hands it over: only plain data. */
export interface FittedDetector {
  features: FittedFeature[];
  scorer: FittedScorer;
  /** a row whose score is above this is an anomaly */
  threshold: number;
  /** the share of normal rows that are expected above it */
  falseAlarmRate: number;
}

/** How unusual a row is: the higher, the more. */
export type FittedScorer =
  /** every row scores 0 */
  | { family: 'baseline' }
  | RobustScorer
  | IsolationForestScorer
  | AutoencoderScorer;

/**
 * `|x - centre| / scale` of each number, 0 where missing; of a category the score of its value, the last for any other. The row
 * scores the largest of these, or the root of their mean square.
 */
export interface RobustScorer {
  family: 'robust_z_score';
  combine: 'largest' | 'combined';
  columns: Array<{ type: 'number'; centre: number; scale: number } | { type: 'category'; scores: Float64Array }>;
}

/** 2^(-L / (trees · c(sampleSize))), L the sum of the leaves over all trees, rounded to float32. */
export interface IsolationForestScorer {
  family: 'isolation_forest';
  sampleSize: number;
  trees: DecisionTree[];
  /** by feature: the code of each of its categories, in their order; null for a number */
  codes: Array<Int32Array | null>;
}

/**
 * A network from an encoded row to an encoded row. The error of a number is squared, of a category -log of the softmax over its
 * cells; each is divided by `usual`, and the row scores their mean. A missing number has no error, a category without a known
 * value has `otherError`.
 */
export interface AutoencoderScorer {
  family: 'autoencoder';
  layers: DenseEstimator['layers'];
  columns: Array<{ usual: number; otherError: number }>;
}

/** Whether a detector tells what each feature adds to the score. */
export const hasContributions = ({ family }: FittedScorer): boolean => family === 'robust_z_score' || family === 'autoencoder';

/** Refuses a detector whose parts do not fit: a bug of the trainer, so this throws (`INVALID`) and names the part. */
export function assertDetector({ features, scorer, threshold, falseAlarmRate }: FittedDetector): void {
  assertFeatures(features);
  ensure(Number.isFinite(threshold), 'threshold', 'must be a finite number');
  ensure(falseAlarmRate > 0 && falseAlarmRate <= 1, 'falseAlarmRate', 'must be above 0 and at most 1');
  switch (scorer.family) {
    case 'baseline':
      return;
    case 'isolation_forest':
      ensure(Number.isInteger(scorer.sampleSize) && scorer.sampleSize > 1, 'scorer.sampleSize', 'must be a whole number above 1');
      return assertForest(scorer, features);
    case 'robust_z_score':
      ensure(scorer.columns.length === features.length, 'scorer.columns', 'has another length than the features');
      scorer.columns.forEach((column, place) => {
        const feature = features[place]!;
        const field = `scorer.columns[${place}]`;
        if (column.type === 'number') return ensure(feature.type === 'number' && Number.isFinite(column.centre) && Number.isFinite(column.scale) && column.scale > 0, field, 'needs a finite centre and a scale above 0');
        ensure(feature.type !== 'number' && column.scores.length === feature.categories.length + 1 && column.scores.every(Number.isFinite), field, 'needs a finite score for each category and one more');
      });
      return;
    case 'autoencoder':
      assertNetwork(scorer, features);
  }
}

function assertNetwork({ layers, columns }: AutoencoderScorer, features: readonly FittedFeature[]): void {
  const width = encodedWidth(features);
  let inputs = width;
  for (const [index, layer] of layers.entries()) {
    const field = `scorer.layers[${index}]`;
    ensure(layer.inputs === inputs && layer.kernel.length === layer.inputs * layer.units && layer.bias.length === layer.units, field, 'is of the wrong size');
    ensure(layer.kernel.every(Number.isFinite) && layer.bias.every(Number.isFinite), field, 'has a number that is not finite');
    const complaint = complaintOfStorage(layer.kernel, layer.units, layer.storage);
    ensure(complaint === null, field, complaint ?? '');
    inputs = layer.units;
  }
  ensure(width > 0 && inputs === width && layers.at(-1)?.activation === 'linear', 'scorer.layers', 'must end in as many linear units as a row encodes to');
  ensure(columns.length === features.length && columns.every(({ usual, otherError }) => Number.isFinite(usual) && usual > 0 && Number.isFinite(otherError)), 'scorer.columns', 'need a usual error above 0 for each feature');
}

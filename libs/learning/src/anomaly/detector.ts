import type { DenseLayer, FittedFeature } from '../pipeline.ts';
import type { Tree } from '../trees/tree.ts';

/** Everything that telling anomalies needs, as plain data. */
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
  /** Every row scores 0. */
  | { family: 'baseline' }
  | {
      family: 'robust_z_score';
      combine: 'largest' | 'combined';
      columns: RobustColumn[];
    }
  | {
      family: 'isolation_forest';
      /** rows that each tree was grown from */
      sampleSize: number;
      /** a leaf holds the length of its path, completed by what is expected of the rows that it left together */
      trees: Tree[];
      /** by feature: the code of each of its categories, in their order; null for a number */
      codes: (Int32Array | null)[];
    }
  | {
      family: 'autoencoder';
      /** from an encoded row to an encoded row */
      layers: DenseLayer[];
      columns: ReconstructedColumn[];
    };

/** `|x - centre| / scale`, 0 where missing; of a category the score of each value, and after the last that of any other. */
export type RobustColumn = { type: 'number'; centre: number; scale: number } | { type: 'category'; scores: Float64Array };

/**
 * The error of one feature is divided by `usual`, its mean over the training rows. Of a category without a value of its own,
 * which the network cannot name, the error is `otherError`; of a missing number it is 0.
 */
export interface ReconstructedColumn {
  usual: number;
  otherError: number;
}

/** Of rows: the score, and [rows, inputs] what each input adds to it (a date as a whole), where the family can tell. */
export interface AnomalyScores {
  scores: Float64Array;
  contributions: Float64Array | null;
}

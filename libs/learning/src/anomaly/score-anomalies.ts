import { activateBackend, currentBackend } from '../backend.ts';
import { createPacer, type Pacer } from '../pacer.ts';
import type { FittedFeature } from '../pipeline.ts';
import { type Row, tableOf } from '../predict.ts';
import type { Table } from '../table.ts';
import { scoreByAutoencoder } from './autoencoder.ts';
import { inputsOf } from './by-input.ts';
import type { AnomalyScores, FittedDetector, FittedScorer } from './detector.ts';
import { scoreByForest } from './isolation-forest.ts';
import { scoreByRobustZ } from './robust-z-score.ts';

/** Scores rows of a table; null when the pacer said stop. */
export async function scoreTable(scorer: FittedScorer, features: FittedFeature[], table: Table, rows: Int32Array, pacer: Pacer): Promise<AnomalyScores | null> {
  switch (scorer.family) {
    case 'baseline':
      return { scores: new Float64Array(rows.length), contributions: null };
    case 'robust_z_score':
      return scoreByRobustZ(scorer, features, table, rows);
    case 'isolation_forest':
      return scoreByForest(scorer, features, table, rows, pacer);
    case 'autoencoder':
      return scoreByAutoencoder(scorer, features, table, rows, pacer);
  }
}

/** What a detector says of a row. `contributions` are in the order of the inputs, where the family has them. */
export interface AnomalyAnswer {
  value: number;
  anomaly: { isAnomaly: boolean; contributions?: number[] };
}

/** Answers rows on the current backend (choosing one if none is). Throws a TypeError that names the feature when a value has the wrong type. */
export async function detectAnomalies({ features, scorer, threshold }: FittedDetector, rows: Row[]): Promise<AnomalyAnswer[]> {
  await activateBackend(await currentBackend());
  const table = tableOf(features, rows);
  const scored = await scoreTable(scorer, features, table, Int32Array.from(rows, (_, row) => row), createPacer());
  if (!scored) throw new Error('The detection was interrupted');
  const { scores, contributions } = scored;
  const width = inputsOf(features).length;
  return Array.from(scores, (value, row) => ({
    value,
    anomaly: {
      isAnomaly: value > threshold,
      ...(contributions ? { contributions: Array.from(contributions.subarray(row * width, (row + 1) * width)) } : {}),
    },
  }));
}

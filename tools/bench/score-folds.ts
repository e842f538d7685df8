import { parseTrainingSpec } from '@millrace/configuration';
import { train, type Trial } from '@millrace/learning';
import type { ScoredDataset } from './scored-data.ts';

export interface FoldScores {
  /** by fold, on the rows left out */
  metrics: Trial['metrics']['test'][];
  /** spent fitting, all folds together */
  seconds: number;
}

/** Trains one model on each fold's other rows, and scores it on the fold's. */
export async function scoreFolds({ table, inputs, target, folds }: ScoredDataset, model: object, { trainer = {}, seed = 0 }: { trainer?: object; seed?: number } = {}): Promise<FoldScores> {
  const parsed = parseTrainingSpec({ inputFeatures: inputs, outputFeatures: [target], models: [model], trainer, split: { seed } });
  if (parsed.type === 'invalid') throw new Error(JSON.stringify(parsed.problems));
  const scores: FoldScores = { metrics: [], seconds: 0 };
  for (const testRows of folds) {
    const outcome = await train({ table, spec: parsed.spec, testRows });
    if (outcome.type !== 'trained') throw new Error(JSON.stringify(outcome));
    const trial = outcome.trials[outcome.best]!;
    scores.metrics.push(trial.metrics.test);
    scores.seconds += trial.fitTimeSeconds;
  }
  return scores;
}

/** One figure of each fold; NaN where it has none. */
export function figuresOf({ metrics }: FoldScores, name: string): number[] {
  return metrics.map((fold) => {
    const value = name === 'macroF1' && fold.type === 'classification' ? fold.macro.f1 : (fold as unknown as Record<string, unknown>)[name];
    return typeof value === 'number' ? value : NaN;
  });
}

/** As baselines.md has it. */
export function meanAndDeviation(values: readonly number[]): string {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const deviation = Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length);
  return `${mean.toPrecision(4)} ± ${deviation.toPrecision(2)}`;
}

import { needsValidation, type TrainingSpec } from '@millrace/configuration';
import { activateBackend, currentBackend } from './backend.ts';
import { expandDates } from './date-columns.ts';
import { familyOf } from './families/families.ts';
import type { Metrics } from './metrics.ts';
import { createPacer } from './pacer.ts';
import { prepareData } from './prepared-data.ts';
import { splitRows } from './split.ts';
import type { Problem, Table } from './table.ts';
import { runTrial } from './train.ts';

export interface FoldScores {
  /** by fold */
  metrics: Metrics[];
  /** spent fitting, all folds together */
  seconds: number;
}

/**
 * Trains each model of a configuration once for every fold, on the rows of all others, and scores it on the fold's rows.
 * `folds` holds the fold of each row of the table, -1 for rows to leave out. The answer is by model. Validation rows are
 * held back for those models that stop early.
 */
export async function scoreFolds(options: {
  table: Table;
  spec: TrainingSpec;
  folds: Int32Array;
  signal?: AbortSignal;
}): Promise<{ type: 'scored'; models: FoldScores[] } | { type: 'cancelled' } | { type: 'invalid'; problems: Problem[] }> {
  const { folds, signal } = options;
  const expanded = expandDates(options.table, options.spec);
  if (expanded.type === 'invalid') return expanded;
  const { table, spec } = expanded;
  await activateBackend(await currentBackend());
  const data = prepareData(table, spec);
  if (data.type === 'invalid') return data;
  const rows = Int32Array.from(folds.keys());
  const count = folds.reduce((most, fold) => Math.max(most, fold + 1), 0);
  const models: FoldScores[] = [];
  for (const [model, settings] of spec.models.entries()) {
    const validationFraction = needsValidation({ ...spec, models: [settings] }) ? spec.split.validationFraction : 0;
    const scores: FoldScores = { metrics: [], seconds: 0 };
    for (let fold = 0; fold < count; fold++) {
      const learning = rows.filter((row) => folds[row]! >= 0 && folds[row] !== fold);
      const strata = data.target.task === 'classification' ? learning.map((row) => data.truth[row]!) : null;
      const own = validationFraction > 0
        ? splitRows({ rows: learning, strata, trainFraction: 1 - validationFraction, validationFraction: 0, seed: spec.split.seed })
        : { train: learning, test: new Int32Array() };
      const outcome = await runTrial({
        data: { ...data, split: { train: own.train, validation: own.test, test: rows.filter((row) => folds[row] === fold) } },
        spec, settings, model, seed: spec.split.seed, current: null, pacer: createPacer(signal),
        parameters: familyOf(settings.family).parameters(settings, spec),
        emit: async () => undefined,
        save: async () => undefined,
      });
      if (outcome.type === 'cancelled') return outcome;
      if (outcome.type === 'failed') return { type: 'invalid', problems: [outcome.problem] };
      scores.metrics.push(outcome.trial.metrics.test);
      scores.seconds += outcome.trial.fitTimeSeconds;
    }
    models.push(scores);
  }
  return { type: 'scored', models };
}

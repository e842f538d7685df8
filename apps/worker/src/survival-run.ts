import { compressSurvival, type FittedSurvival, predictSurvival, type Row, type SurvivalTrial, type Table, trainSurvival } from '@millrace/learning';
import { agree, buildSurvivalPackage } from '@millrace/packaging';
import { backgroundOf } from './background.ts';
import { dividedRows } from './divided-rows.ts';
import { acceptedRows, appraise, type ModelKind } from './model-kind.ts';
import { type Candidate, publishRun } from './publish-run.ts';
import { sampleRows } from './sample-rows.ts';
import { type Surroundings, tellUntrained } from './surroundings.ts';
import type { TrainerJob } from './trainer-protocol.ts';
import { readTrainingTable } from './training-table.ts';

/** A run whose target is a time that not every row saw the end of. It is made anew when it was interrupted: the same rows give the same models. */
export async function runSurvival(job: TrainerJob, how: Surroundings): Promise<void> {
  how.stopWhenPaused();
  const { spec } = job;
  const { signal, send } = how;
  const table = await readTrainingTable(job);
  const outcome = await trainSurvival({
    table, spec, signal,
    onTrial: ({ trial, trials, family }) => send({ type: 'trial-started', trial, trials, family }),
    onEpoch: ({ trial, epoch, epochs, loss, valLoss }) => send({ type: 'epoch', trial, epoch, epochs, values: { loss, valLoss } }),
  });
  if (outcome.type !== 'trained') return tellUntrained(outcome, send);
  const { trials, best, selectionMetric, split, failures } = outcome;
  const kind = survivalKind(table, split.test);
  const rows = dividedRows(outcome);
  const warnings = [...failures.map(({ problem }) => problem.message), ...outcome.warnings];
  const shownOf = (_survival: FittedSurvival, survivalChart: object | undefined) => ({ survivalChart, warnings });
  const candidateOf = ({ fitted, chart, ...trial }: SurvivalTrial, number: number): Candidate<FittedSurvival> => ({ ...trial, number, model: fitted, shown: shownOf(fitted, chart) });
  await publishRun(job, {
    kind, candidates: trials.map(candidateOf), best, selectionMetric, divided: { rows }, lineage: { rows },
    background: ({ features }) => backgroundOf(table, features, split.train),
    shownOf,
    compress: ({ model }, maxLoss) => compressSurvival({ base: model, table, spec, maxLoss, signal, appraise: (survival) => appraise(kind, survival) }),
  }, how);
}

/** Survival models. @param testRows those that are asked first */
export function survivalKind(table: Table, testRows: Int32Array = new Int32Array()): ModelKind<FittedSurvival> {
  const samples = (survival: FittedSurvival, most?: number) => askedRows(survival, sampleRows(table, survival.features.slice(0, -1), testRows, most));
  return {
    pack: buildSurvivalPackage,
    sampleRow: (survival) => samples(survival, 1)[0],
    async compare(survival, loaded) {
      const rows = samples(survival);
      const served = await loaded.predict(acceptedRows(loaded, rows));
      return agree(await predictSurvival(survival, rows), served, { type: 'number', scale: survival.spread });
    },
  };
}

/** Every other row asks for a horizon of its own. */
function askedRows({ features, horizon }: FittedSurvival, rows: Row[]): Row[] {
  const { name } = features.at(-1)!;
  return rows.map((row, at) => (at % 2 === 0 ? row : { ...row, [name]: (horizon * (1 + (at % 10))) / 5 }));
}

import { type Appraisal, type FittedSurvival, optimiseSurvival, type Table } from '@millrace/learning';
import { buildSurvivalPackage, loadModel, readSurvival } from '@millrace/packaging';
import type { OptimisationGrounds } from './optimisation-run.ts';
import type { OptimisedSubject } from './optimised-subject.ts';
import { sampleRows } from './sample-rows.ts';
import { askedRows, compareSurvivals, readSurvivalTable } from './survival-run.ts';
import { timeOneRow } from './time-one-row.ts';

/** A survival model that gives a location: a line or trees. */
export async function survivalSubject({ job, wanted, files, signal }: OptimisationGrounds): Promise<OptimisedSubject<FittedSurvival>> {
  const base = readSurvival(files);
  if (base.type === 'unreadable') return base;
  const survival = base.survival as FittedSurvival;
  const table = await readSurvivalTable(job);
  return {
    type: 'readable',
    family: survival.family,
    familyOf: ({ family }) => family,
    optimise: (onEvent) => optimiseSurvival({ base: survival, table, spec: job.spec, optimisation: wanted, signal, appraise: (one) => appraise(one, table), onEvent }),
    pack: buildSurvivalPackage,
    compare: (one, model) => compareSurvivals(one, model, rowsOf(one, table)),
    lineage: {},
  };
}

const rowsOf = (survival: FittedSurvival, table: Table, most?: number) => askedRows(survival, sampleRows(table, survival.features.slice(0, -1), new Int32Array(), most));

async function appraise(survival: FittedSurvival, table: Table): Promise<Appraisal> {
  const { files, sizeBytes, gzipBytes } = buildSurvivalPackage(survival, { metrics: {}, lineage: {} });
  const model = await loadModel(files);
  try {
    return { predTimeMsP50: await timeOneRow(model, rowsOf(survival, table, 1)[0]), sizeBytes, sizeGzBytes: gzipBytes };
  } finally {
    await model.close();
  }
}

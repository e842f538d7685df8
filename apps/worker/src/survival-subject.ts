import { type FittedSurvival, optimiseSurvival } from '@millrace/learning';
import { readSurvival } from '@millrace/packaging';
import { appraise } from './model-kind.ts';
import type { OptimisationGrounds } from './optimisation-run.ts';
import type { OptimisedSubject } from './optimised-subject.ts';
import { survivalKind } from './survival-run.ts';
import { readTrainingTable } from './training-table.ts';

/** A survival model that gives a location: a line or trees. */
export async function survivalSubject({ job, wanted, files, signal }: OptimisationGrounds): Promise<OptimisedSubject<FittedSurvival>> {
  const base = readSurvival(files);
  if (base.type === 'unreadable') return base;
  const survival = base.survival as FittedSurvival;
  const table = await readTrainingTable(job);
  const kind = survivalKind(table);
  return {
    type: 'readable',
    kind,
    family: survival.family,
    familyOf: ({ family }) => family,
    optimise: (onEvent) => optimiseSurvival({ base: survival, table, spec: job.spec, optimisation: wanted, signal, appraise: (one) => appraise(kind, one), onEvent }),
    lineage: {},
  };
}

import { type FittedDetector, optimiseDetector } from '@millrace/learning';
import { readDetector } from '@millrace/packaging';
import { detectorKind } from './anomaly-run.ts';
import { appraise } from './model-kind.ts';
import type { OptimisationGrounds } from './optimisation-run.ts';
import type { OptimisedSubject } from './optimised-subject.ts';
import { readTrainingTable } from './training-table.ts';

/** A detector of anomalies that is a forest or a network. */
export async function detectorSubject({ job, wanted, files, backend, signal }: OptimisationGrounds): Promise<OptimisedSubject<FittedDetector>> {
  const base = readDetector(files);
  if (base.type === 'unreadable') return base;
  const table = await readTrainingTable(job);
  const kind = detectorKind(table);
  return {
    type: 'readable',
    kind,
    family: base.detector.scorer.family,
    familyOf: ({ scorer }) => scorer.family,
    optimise: (onEvent) => optimiseDetector({ base: base.detector, table, spec: job.spec, optimisation: wanted, backend, signal, appraise: (detector) => appraise(kind, detector), onEvent }),
    lineage: {},
  };
}

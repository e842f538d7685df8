import { type FittedPipeline, optimise, type OptimiseEvent, type OptimiseOutcome } from '@millrace/learning';
import { readPipeline } from '@millrace/packaging';
import { appraise, type ModelKind } from './model-kind.ts';
import type { OptimisationGrounds } from './optimisation-run.ts';
import { pipelineKind } from './pipeline-kind.ts';
import { readTrainingTable } from './training-table.ts';

export type OptimisedOutcome<Model> = OptimiseOutcome<Model, object>;

/** What is to be made smaller or faster, of one kind of model: how it is read and tried. */
export type OptimisedSubject<Model> =
  | { type: 'unreadable'; reason: 'imported' | 'unsupported'; message: string }
  | {
      type: 'readable';
      kind: ModelKind<Model>;
      family: string;
      familyOf(model: Model): string;
      optimise(onEvent: (event: OptimiseEvent) => void | Promise<void>): Promise<OptimisedOutcome<Model>>;
      /** of the base's lineage, what the new version hands on */
      lineage: object;
    };

/** A model that answers rows or pictures with a number or a class. */
export async function plainSubject({ job, wanted, files, backend, signal }: OptimisationGrounds): Promise<OptimisedSubject<FittedPipeline>> {
  const base = readPipeline(files);
  if (base.type === 'unreadable') return base;
  const table = await readTrainingTable(job);
  const kind = pipelineKind(table);
  return {
    type: 'readable',
    kind,
    family: base.pipeline.estimator.family,
    familyOf: ({ estimator }) => estimator.family,
    optimise: (onEvent) => optimise({ base: base.pipeline, isDerived: 'optimisation' in lineageIn(files) || job.spec.compress !== undefined, table, spec: job.spec, optimisation: wanted, backend, signal, appraise: (pipeline) => appraise(kind, pipeline), onEvent }),
    lineage: {},
  };
}

/** As the run that made the version noted it; with its `optimisation` where it was made from another. */
export function lineageIn(files: ReadonlyMap<string, Uint8Array>): { parameters?: object; optimisation?: object } {
  return JSON.parse(Buffer.from(files.get('lineage.json')!).toString()) as object;
}

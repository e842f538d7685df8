import { type FittedPipeline, optimise, type OptimiseEvent, type OptimiseOutcome } from '@millrace/learning';
import { type Agreement, buildPackage, type LoadedModel, type ModelPackage, type PackageFacts, readPipeline } from '@millrace/packaging';
import type { OptimisationGrounds } from './optimisation-run.ts';
import { appraisePipeline, compareEngines, samples } from './pipeline-package.ts';
import { readTrainingTable } from './training-table.ts';

export type OptimisedOutcome<Model> = OptimiseOutcome<Model, object>;

/** What is to be made smaller or faster, of one kind of model: how it is read, tried, packed, and compared with its package. */
export type OptimisedSubject<Model> =
  | { type: 'unreadable'; reason: 'imported' | 'unsupported'; message: string }
  | {
      type: 'readable';
      family: string;
      familyOf(model: Model): string;
      optimise(onEvent: (event: OptimiseEvent) => void | Promise<void>): Promise<OptimisedOutcome<Model>>;
      pack(model: Model, facts: PackageFacts): ModelPackage;
      compare(model: Model, loaded: LoadedModel): Promise<Agreement>;
      /** of the base's lineage, what the new version hands on */
      lineage: object;
    };

/** A model that answers rows or pictures with a number or a class. */
export async function plainSubject({ job, wanted, files, backend, signal }: OptimisationGrounds): Promise<OptimisedSubject<FittedPipeline>> {
  const base = readPipeline(files);
  if (base.type === 'unreadable') return base;
  const table = await readTrainingTable(job);
  return {
    type: 'readable',
    family: base.pipeline.estimator.family,
    familyOf: ({ estimator }) => estimator.family,
    optimise: (onEvent) => optimise({ base: base.pipeline, table, spec: job.spec, optimisation: wanted, backend, signal, appraise: (pipeline) => appraisePipeline(pipeline, table), onEvent }),
    pack: buildPackage,
    compare: (pipeline, model) => compareEngines(pipeline, model, samples(table, pipeline, new Int32Array())),
    lineage: {},
  };
}

import type { FittedPipeline } from './fitted-pipeline.ts';
import type { PackageFiles } from './model-package.ts';

/** `imported`: the graph was made elsewhere. `unsupported`: a kind of model that is not read back, or an older way of writing one. */
export type ReadPipeline = { type: 'read'; pipeline: FittedPipeline } | { type: 'unreadable'; reason: 'imported' | 'unsupported'; message: string };

/** The fitted pipeline that a package was written from. What is read is written again and compared: it is the same to the last byte, or refused. */
export function readPipeline(_files: PackageFiles): ReadPipeline {
  throw new Error('Not written yet');
}

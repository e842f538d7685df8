import { DomainError } from '@millrace/kernel';
import type { ConvolutionalEstimator } from './fitted-estimator.ts';
import { GraphCursor, UnknownGraph } from './graph-cursor.ts';
import type { PackageFiles } from './model-package.ts';
import { readConvolutionalEstimator } from './read-estimator.ts';
import { readGraph, UnfitModel } from './read-graph.ts';

/** The convolutions of a packaged network for pictures, however they are kept. Throws `DomainError` `INVALID` for another model. */
export function readConvolutions(files: PackageFiles): ConvolutionalEstimator['layers'] {
  try {
    const { layers } = readConvolutionalEstimator(new GraphCursor(readGraph(files.get('model.onnx') ?? new Uint8Array())));
    return layers.map(({ storage: _storage, ...layer }) => layer);
  } catch (error) {
    if (!(error instanceof UnknownGraph || error instanceof UnfitModel)) throw error;
    throw new DomainError('INVALID', 'The model has no convolutions.', { field: 'base', remedy: 'Choose a network for pictures.', cause: error });
  }
}

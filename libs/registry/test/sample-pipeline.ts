import type { FittedPipeline } from '@millrace/packaging';

/** Yes where x is above 0.5, else no: as small as a network can be. */
export const pipeline: FittedPipeline = {
  features: [{ name: 'x', type: 'number', min: 0, max: 1, mean: 0.5, scale: 0.5, fill: 0.5, missingAllowed: false }],
  target: { name: 'y', type: 'category', classes: ['no', 'yes'] },
  estimator: { family: 'dense', layers: [{ activation: 'softmax', inputs: 1, units: 2, kernel: Float32Array.of(-1, 1), bias: Float32Array.of(0, 0) }] },
};

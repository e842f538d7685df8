import { encodedWidth, type FittedFeature, type FittedTarget } from './fitted-columns.ts';
import type { ConvolutionalEstimator, DenseEstimator, LinearEstimator } from './fitted-estimator.ts';
import type { FittedPipeline } from './fitted-pipeline.ts';

/** A TensorFlow.js layers model: `model.json` and `weights.bin`, which stand beside each other. */
export type LayersModel = { type: 'written'; files: Map<string, Uint8Array> } | { type: 'unsupported'; message: string };

type Json = { [name: string]: unknown };

interface Layer {
  className: string;
  config: Json;
  weights: { name: string; shape: number[]; values: ArrayLike<number> }[];
  /** names of the layers that it reads; the one before if left out */
  inputs?: string[];
}

const unsupported = (message: string): LayersModel => ({ type: 'unsupported', message });

/**
 * A pipeline as a TensorFlow.js layers model, in the form that Keras has for layers. The first layer is the normalisation; its
 * input is what rows look like before it, float32: of a table [N, width], each number as it is and each category as cells of
 * 0 and 1; of pictures [N, height, width, channels], pixels from 0 to 255. Its output is the probabilities [N, classes], or
 * the value in the unit of the target [N, 1]. What is not in the layers stands in `userDefinedMetadata`: which column is in
 * which cell, what takes the place of a gap, classes and threshold.
 *
 * Dense networks, linear models and convolutions have one, if their probabilities are corrected by nothing that layers lack.
 */
export function writeLayers({ features, image, target, estimator, heads }: FittedPipeline): LayersModel {
  if (heads) return unsupported('Heads of single groups are no layers.');
  if (target.type !== 'number' && target.calibration && !isFoldable(target)) return unsupported('Its probabilities are corrected in a way that is no layer.');
  switch (estimator.family) {
    case 'dense':
      if (estimator.layers.at(-1)?.residual) return unsupported('Its last layer adds its input to the answer.');
      return assembled(features, target, [encodedWidth(features)], [normalisation(features), ...denseLayers(estimator, target)]);
    case 'linear':
      return assembled(features, target, [encodedWidth(features)], [normalisation(features), ...linearLayers(estimator, target)]);
    case 'convolutional':
      if (!image) return unsupported('It has no picture to look at.');
      return assembled(image, target, [image.height, image.width, image.channels], convolutionalLayers(estimator, target));
    default:
      return unsupported(`A model of the family ${estimator.family} is not made of layers.`);
  }
}

/** Of two classes the corrected probability is a sigmoid of the difference of the logits, and so a softmax again. */
function isFoldable(target: FittedTarget): boolean {
  return target.type !== 'number' && target.classes.length === 2 && target.calibration?.type === 'platt';
}

/** `(x - mean) / scale`: batch normalisation that has learned these, and nothing is added to the variance. */
function normalise(name: string, mean: ArrayLike<number>, scale: ArrayLike<number>): Layer {
  const width = mean.length;
  const of = (weight: string, values: ArrayLike<number>) => ({ name: `${name}/${weight}`, shape: [width], values });
  return {
    className: 'BatchNormalization',
    config: { name, trainable: false, axis: -1, momentum: 0.99, epsilon: 0, center: false, scale: false },
    weights: [of('moving_mean', mean), of('moving_variance', Float64Array.from(scale, (value) => value * value))],
  };
}

function normalisation(features: readonly FittedFeature[]): Layer {
  const cells = features.flatMap((feature) => (feature.type === 'number' ? [feature] : feature.categories.map(() => ({ mean: 0, scale: 1 }))));
  return normalise('normalisation', cells.map(({ mean }) => mean), cells.map(({ scale }) => scale));
}

function dense(name: string, activation: string, kernel: ArrayLike<number>, bias: ArrayLike<number>): Layer {
  const units = bias.length;
  return {
    className: 'Dense',
    config: { name, trainable: true, units, activation, use_bias: true },
    weights: [
      { name: `${name}/kernel`, shape: [kernel.length / units, units], values: kernel },
      { name: `${name}/bias`, shape: [units], values: bias },
    ],
  };
}

function denseLayers({ layers }: DenseEstimator, target: FittedTarget): Layer[] {
  const written: Layer[] = [];
  let before = 'normalisation';
  for (const [index, { activation, kernel, bias, residual }] of layers.entries()) {
    const name = `dense_${index + 1}`;
    const isLast = index === layers.length - 1;
    written.push({ ...(isLast ? answering(name, activation, kernel, bias, target) : dense(name, activation, kernel, bias)), inputs: [before] });
    if (residual) written.push({ className: 'Add', config: { name: `add_${index + 1}`, trainable: true }, weights: [], inputs: [before, name] });
    before = residual ? `add_${index + 1}` : name;
  }
  return written;
}

function linearLayers({ kernel, bias }: LinearEstimator, target: FittedTarget): Layer[] {
  return [target.type === 'number' ? dense('linear', 'linear', kernel, bias) : answering('linear', 'softmax', kernel, bias, target)];
}

/** The last layer, with what comes after it folded in: the unit of the target, or the correction of two classes. */
function answering(name: string, activation: string, kernel: ArrayLike<number>, bias: ArrayLike<number>, target: FittedTarget): Layer {
  if (target.type === 'number') {
    return dense(name, activation, Float64Array.from(kernel, (value) => value * target.scale), Float64Array.from(bias, (value) => value * target.scale + target.mean));
  }
  if (target.calibration?.type !== 'platt') return dense(name, activation, kernel, bias);
  const [slope, shift] = [target.calibration.slopes[0]!, target.calibration.shifts[0]!];
  // Logits a, b become 0 and slope · (b - a) + shift.
  const turned = (values: ArrayLike<number>, add: number) =>
    Float64Array.from(values, (_value, at) => (at % 2 === 0 ? 0 : slope * (values[at]! - values[at - 1]!) + add));
  return dense(name, activation, turned(kernel, 0), turned(bias, shift));
}

function convolutionalLayers({ mean, scale, layers, head }: ConvolutionalEstimator, target: FittedTarget): Layer[] {
  const convolutions = layers.flatMap(({ inputs, filters, pooled, kernel, bias }, index): Layer[] => {
    const name = `conv2d_${index + 1}`;
    const convolution: Layer = {
      className: 'Conv2D',
      config: {
        name, trainable: true, filters, kernel_size: [3, 3], strides: [1, 1], padding: 'same', data_format: 'channels_last', dilation_rate: [1, 1],
        activation: 'linear', use_bias: true,
      },
      weights: [
        { name: `${name}/kernel`, shape: [3, 3, inputs, filters], values: kernel },
        { name: `${name}/bias`, shape: [filters], values: bias },
      ],
    };
    const pooling: Layer = {
      className: 'MaxPooling2D',
      config: { name: `max_pooling2d_${index + 1}`, trainable: true, pool_size: [2, 2], strides: [2, 2], padding: 'valid', data_format: 'channels_last' },
      weights: [],
    };
    return [convolution, ...(pooled ? [pooling] : []), { className: 'Activation', config: { name: `relu_${index + 1}`, trainable: true, activation: 'relu' }, weights: [] }];
  });
  const pooled: Layer = { className: 'GlobalAveragePooling2D', config: { name: 'mean', trainable: true, data_format: 'channels_last' }, weights: [] };
  return [normalise('normalisation', mean, scale), ...convolutions, pooled, answering('head', 'softmax', head.kernel, head.bias, target)];
}

function assembled(input: readonly FittedFeature[] | NonNullable<FittedPipeline['image']>, target: FittedTarget, shape: number[], layers: Layer[]): LayersModel {
  const weights = layers.flatMap((layer) => layer.weights);
  const values = Float32Array.from(weights.flatMap((weight) => Array.from(weight.values)));
  if (!values.every(Number.isFinite)) return unsupported('It has weights beyond what float32 holds.');
  let before = 'input';
  const nodes = layers.map(({ className, config, inputs = [before] }) => {
    before = String(config['name']);
    return { class_name: className, name: before, config, inbound_nodes: [inputs.map((name) => [name, 0, 0, {}])] };
  });
  const model = {
    format: 'layers-model',
    generatedBy: 'millrace',
    convertedBy: null,
    modelTopology: {
      class_name: 'Model',
      config: {
        name: 'millrace',
        layers: [{ class_name: 'InputLayer', name: 'input', config: { name: 'input', batch_input_shape: [null, ...shape], dtype: 'float32', sparse: false }, inbound_nodes: [] }, ...nodes],
        input_layers: [['input', 0, 0]],
        output_layers: [[before, 0, 0]],
      },
      keras_version: '2.15.0',
      backend: 'tensorflow',
    },
    weightsManifest: [{ paths: ['weights.bin'], weights: weights.map(({ name, shape: of }) => ({ name, shape: of, dtype: 'float32' })) }],
    userDefinedMetadata: { input: 'length' in input ? columnsOf(input) : { name: input.name, width: input.width, height: input.height, channels: input.channels, range: [0, 255] }, output: outputOf(target) },
  };
  return {
    type: 'written',
    files: new Map([
      ['model.json', Buffer.from(`${JSON.stringify(model, null, 1)}\n`)],
      ['weights.bin', new Uint8Array(values.buffer)],
    ]),
  };
}

/** By cell: of a number its column and what takes the place of a gap, of a category the value that makes the cell 1. */
function columnsOf(features: readonly FittedFeature[]): Json[] {
  return features.flatMap((feature): Json[] =>
    feature.type === 'number'
      ? [{ name: feature.of?.column ?? feature.name, type: 'number', ...(feature.of ? { part: feature.of.part } : {}), ...(feature.missingAllowed ? { fill: feature.fill } : {}) }]
      : feature.categories.map((category) => ({ name: feature.name, type: feature.type, category })),
  );
}

function outputOf(target: FittedTarget): Json {
  if (target.type === 'number') return { name: target.name, type: 'number', ...(target.interval ? { interval: target.interval } : {}) };
  return { name: target.name, type: target.type, classes: target.classes, ...(target.decision ? { decision: { positive: target.classes[target.decision.positive], threshold: target.decision.threshold } } : {}) };
}

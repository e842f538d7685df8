import type { FittedFeature } from './fitted-columns.ts';
import type { FittedSurvival } from './fitted-survival.ts';
import { createOnnxGraph, type OnnxGraph } from './onnx-graph.ts';
import { type Signature, signatureOf } from './signature.ts';
import { writePipeline } from './write-model.ts';

/** ONNX TensorProto.DataType, for `Cast` */
const FLOAT = 1;
const DOUBLE = 11;
const N = 'N';
const outputs = ['prediction', 'lower', 'upper', 'survival'] as const;

/**
 * A survival model as one ONNX graph. Inputs: as of any model, the horizon being the last of the `numbers`. Outputs, double
 * [N, 1]: `prediction` (the median), `lower`, `upper`, and `survival`, the probability to live beyond the horizon.
 */
export function writeSurvival(model: FittedSurvival, signature: Signature): Uint8Array {
  const graph = createOnnxGraph(model.family);
  const values = model.answer.type === 'curve' ? writeCurve(graph, model, model.answer.curve) : writeLocation(graph, model, model.answer);
  for (const name of outputs) graph.output(values[name], { name, type: 'double', shape: [N, 1] });
  const names = (kept: FittedFeature[]) => JSON.stringify(kept.map((feature) => feature.name));
  return graph.write({
    numbers: names(model.features.filter((feature) => feature.type === 'number')),
    categories: names(model.features.filter((feature) => feature.type !== 'number')),
    missing_category: signature.graph.missingCategory,
  });
}

type Values = Record<(typeof outputs)[number], string>;

/** The horizon of each row, double [N, 1]: its own, or the usual one. */
function horizonOf(graph: OnnxGraph, { features, horizon }: FittedSurvival): string {
  const numbers = features.filter((feature) => feature.type === 'number').length;
  const asked = graph.add('Gather', ['numbers', graph.integers([numbers - 1], [1])], { axis: 1 });
  return graph.add('Where', [graph.add('IsNaN', [asked]), graph.doubles([horizon], [1, 1]), asked]);
}

function writeLocation(graph: OnnxGraph, model: FittedSurvival, { pipeline, distribution, scale }: Extract<FittedSurvival['answer'], { type: 'location' }>): Values {
  let location = '';
  writePipeline(graph.within({ input: (tensor) => graph.input(tensor), output: (value) => void (location = value) }), pipeline);
  const constant = (value: number) => graph.doubles([value], [1, 1]);
  const timeAt = (level: number) => graph.add('Exp', [graph.add('Add', [location, constant(scale * quantiles[distribution](level))])]);
  // The logarithm of what is not above 0 is far to the left of all times: everything survives it.
  const time = graph.add('Max', [horizonOf(graph, model), constant(1e-300)]);
  const z = graph.add('Div', [graph.add('Sub', [graph.add('Log', [time]), location]), constant(scale)]);
  const [lower, upper] = endsOf(model);
  return { prediction: timeAt(0.5), lower: timeAt(lower), upper: timeAt(upper), survival: distribution === 'weibull' ? weibullTail(graph, z) : normalTail(graph, z) };
}

const weibullTail = (graph: OnnxGraph, z: string) => graph.add('Exp', [graph.add('Neg', [graph.add('Exp', [z])])]);

/** ½ · (1 - erf(z / √2)). The runtime has the error function in float32 only: some seven digits. */
function normalTail(graph: OnnxGraph, z: string): string {
  const scaled = graph.add('Mul', [z, graph.doubles([Math.SQRT1_2], [1, 1])]);
  const error = graph.add('Cast', [graph.add('Erf', [graph.add('Cast', [scaled], { to: FLOAT })])], { to: DOUBLE });
  return graph.add('Mul', [graph.add('Sub', [graph.doubles([1], [1, 1]), error]), graph.doubles([0.5], [1, 1])]);
}

/** The curve's quantiles once for each row; its value at the horizon is 1 less all steps by then. */
function writeCurve(graph: OnnxGraph, model: FittedSurvival, { times, survival, end }: Extract<FittedSurvival['answer'], { type: 'curve' }>['curve']): Values {
  for (const type of ['number', 'category'] as const) {
    const count = model.features.filter((feature) => (feature.type === 'number') === (type === 'number')).length;
    if (count > 0) graph.input({ name: type === 'number' ? 'numbers' : 'categories', type: type === 'number' ? 'double' : 'string', shape: [N, count] });
  }
  const horizon = horizonOf(graph, model);
  const shape = graph.add('Shape', [horizon]);
  const everywhere = (value: number) => graph.add('Expand', [graph.doubles([value], [1, 1]), shape]);
  const quantile = (level: number) => times[survival.findIndex((share) => share <= 1 - level + 1e-12)] ?? end;
  const [lower, upper] = endsOf(model);
  const drops = survival.map((share, step) => (survival[step - 1] ?? 1) - share);
  const passed = times.length === 0
    ? everywhere(0)
    : graph.add('MatMul', [graph.add('Cast', [graph.add('GreaterOrEqual', [horizon, graph.doubles(times, [1, times.length])])], { to: DOUBLE }), graph.doubles(drops, [times.length, 1])]);
  return {
    prediction: everywhere(quantile(0.5)), lower: everywhere(quantile(lower)), upper: everywhere(quantile(upper)),
    survival: graph.add('Sub', [graph.doubles([1], [1, 1]), passed]),
  };
}

const endsOf = ({ intervalCoverage }: FittedSurvival): [number, number] => [(1 - intervalCoverage) / 2, (1 + intervalCoverage) / 2];

/** By the share that has ended: where the logarithm of the time stands, in units of its spread. */
const quantiles = {
  weibull: (level: number) => Math.log(-Math.log1p(-level)),
  log_normal: normalQuantile,
};

/** Bisection to the last bit: it is asked for three levels. The lower tail is the integral of the density by Simpson's rule. */
function normalQuantile(level: number): number {
  if (level === 0.5) return 0;
  if (level > 0.5) return -normalQuantile(1 - level);
  let [low, high] = [-10, 0];
  for (let step = 0; step < 60; step++) {
    const middle = (low + high) / 2;
    if (0.5 - fromMiddle(-middle) < level) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}

/** The share of the normal distribution between 0 and z. */
function fromMiddle(z: number): number {
  const steps = 2000;
  const density = (at: number) => Math.exp(-(at ** 2) / 2) / Math.sqrt(2 * Math.PI);
  let sum = density(0) + density(z);
  for (let step = 1; step < steps; step++) sum += density((z * step) / steps) * (step % 2 === 1 ? 4 : 2);
  return (sum * z) / steps / 3;
}

export function survivalSignature(model: FittedSurvival): Signature {
  const { family, features, target, horizon, intervalCoverage, answer } = model;
  const shown = answer.type === 'location' ? answer.pipeline : { features, target: { name: target, type: 'number' as const, mean: 0, scale: 1 }, estimator: { family: 'baseline' as const, answer: Float64Array.of(0) } };
  const { rowsPerCall, missingCategory } = signatureOf(shown).graph;
  const steps = answer.type === 'curve' ? answer.curve.times.length : 0;
  return {
    ...signatureOf({ ...shown, target: { ...shown.target, name: target } }),
    task: 'survival',
    family,
    survival: { horizon, intervalCoverage },
    // A row of a curve is compared with every step.
    graph: { missingCategory, rowsPerCall: Math.max(1, Math.min(rowsPerCall, Math.floor(65_536 / Math.max(1, steps)))) },
  };
}

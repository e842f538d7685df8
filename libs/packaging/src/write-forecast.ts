import { type FittedForecast, type ForecastHead, type ForecastPart, stepInput } from './fitted-forecast.ts';
import { encodedWidth, type FittedFeature } from './fitted-columns.ts';
import { createOnnxGraph, type OnnxGraph } from './onnx-graph.ts';
import type { Signature } from './signature.ts';
import { activate, encodeColumns } from './write-model.ts';
import { writeTreeSums } from './write-trees.ts';

/** ONNX TensorProto.DataType, for `Cast` */
const FLOAT = 1;
const INT64 = 7;
const DOUBLE = 11;
const N = 'N';

/** Where the graph finds what is asked: places as int64 [N], covariates encoded as double [N, width], if there are any. */
interface Question {
  series: string;
  cell: string;
  covariates: string | null;
  width: number;
}

/**
 * A forecast as one ONNX graph: tables that are read at series and step, and heads over what they say of them and the
 * covariates. Inputs: `numbers` double [N, 1 + numeric covariates], the step first; `categories` string [N, …], the series
 * first, if there are several. Outputs: `prediction`, `lower`, `upper`, double [N, 1].
 */
export function writeForecast(forecast: FittedForecast, signature: Signature): Uint8Array {
  const { family, series, horizon, covariates, parts, floor, below, above } = forecast;
  const graph = createOnnxGraph(family);
  const numbers = covariates.filter(({ type }) => type === 'number');
  const others = covariates.filter(({ type }) => type !== 'number');
  const seriesCount = series?.names.length ?? 1;
  graph.input({ name: 'numbers', type: 'double', shape: [N, 1 + numbers.length] });
  if (series || others.length > 0) graph.input({ name: 'categories', type: 'string', shape: [N, Number(series !== null) + others.length] });

  const step = graph.add('Sub', [graph.add('Cast', [columnOf(graph, 'numbers', 0)], { to: INT64 }), graph.integers([1], [])]);
  let own = graph.add('Mul', [step, graph.integers([0], [])]);
  let cell = step;
  if (series) {
    // A name that is not known leads out of the tables, which the runtime refuses.
    const order = series.names.map((_, at) => at);
    own = graph.add('LabelEncoder', [columnOf(graph, 'categories', 0)], { keys_strings: series.names, values_int64s: order, default_int64: seriesCount });
    cell = graph.add('Add', [graph.add('Mul', [own, graph.integers([horizon], [])]), step]);
  }
  const question: Question = { series: own, cell, covariates: encode(graph, covariates, series !== null), width: encodedWidth(covariates) };

  const lowest = tableAt(graph, floor, own);
  const answers = parts.map((part) => graph.add('Max', [lowest, writePart(graph, part, question, seriesCount)]));
  const sum = answers.reduce((total, answer) => graph.add('Add', [total, answer]));
  const value = graph.add('Div', [sum, graph.doubles([parts.length], [])]);
  const lower = graph.add('Max', [lowest, graph.add('Sub', [value, tableAt(graph, below, cell)])]);
  const upper = graph.add('Add', [value, tableAt(graph, above, cell)]);
  for (const [name, result] of Object.entries({ prediction: value, lower, upper })) {
    graph.output(graph.add('Reshape', [result, graph.integers([-1, 1], [2])]), { name, type: 'double', shape: [N, 1] });
  }
  return graph.write({
    numbers: JSON.stringify([stepInput, ...numbers.map(({ name }) => name)]),
    categories: JSON.stringify([...(series ? [series.column] : []), ...others.map(({ name }) => name)]),
    missing_category: signature.graph.missingCategory,
  });
}

export function forecastSignature({ family, target, series, covariates, horizon, lastObservation, frequency, intervalCoverage }: FittedForecast): Signature {
  const taken = new Set([...(series?.names ?? []), ...covariates.flatMap((own) => (own.type === 'number' ? [] : own.categories))]);
  let missingCategory = '';
  while (taken.has(missingCategory)) missingCategory += '?';
  return {
    formatVersion: 1,
    task: 'forecasting',
    family,
    inputs: [
      { name: stepInput, type: 'number', required: true, min: 1, max: horizon, closed: true },
      ...(series ? [{ name: series.column, type: 'category' as const, required: true, categories: [...series.names], closed: true as const }] : []),
      ...covariates.map((own) =>
        own.type === 'number'
          ? { name: own.name, type: own.type, required: !own.missingAllowed, min: own.min, max: own.max }
          : { name: own.name, type: own.type, required: !own.missingAllowed, categories: [...own.categories] }),
    ],
    output: { name: target, type: 'number' },
    forecast: { lastObservation, frequency, horizon, intervalCoverage },
    graph: { missingCategory, rowsPerCall: covariates.length > 0 ? 512 : 4096 },
  };
}

/** One column of an input: [N]. */
function columnOf(graph: OnnxGraph, input: string, at: number): string {
  return graph.add('Gather', [input, graph.integers([at], [])], { axis: 1 });
}

function tableAt(graph: OnnxGraph, values: Float64Array, place: string): string {
  return graph.add('Gather', [graph.doubles(values, [values.length]), place], { axis: 0 });
}

/** The covariates behind the step and the series, encoded: double [N, width]. */
function encode(graph: OnnxGraph, covariates: FittedFeature[], hasSeries: boolean): string | null {
  if (covariates.length === 0) return null;
  const columns = (input: string, type: (own: FittedFeature) => boolean, from: number) => {
    const count = covariates.filter(type).length;
    return count === 0 ? '' : graph.add('Gather', [input, graph.integers(Array.from({ length: count }, (_, at) => from + at), [count])], { axis: 1 });
  };
  const numbers = columns('numbers', ({ type }) => type === 'number', 1);
  const categories = columns('categories', ({ type }) => type !== 'number', Number(hasSeries));
  return encodeColumns(graph, covariates, 'double', { numbers, categories });
}

/** [N] */
function writePart(graph: OnnxGraph, { base, unit, logarithmic, head }: ForecastPart, question: Question, series: number): string {
  let sum = tableAt(graph, base, question.cell);
  if (head) sum = graph.add('Add', [sum, graph.add('Mul', [tableAt(graph, unit, question.cell), writeHead(graph, head, question, series)])]);
  if (!logarithmic.some((flag) => flag === 1)) return sum;
  const isLogarithm = graph.add('Greater', [tableAt(graph, Float64Array.from(logarithmic), question.series), graph.doubles([0], [])]);
  return graph.add('Where', [isLogarithm, graph.add('Exp', [sum]), sum]);
}

/** What a head says: double [N]. */
function writeHead(graph: OnnxGraph, head: ForecastHead, { series: own, cell, covariates, width }: Question, series: number): string {
  if (head.type === 'linear') {
    const weights = graph.add('Gather', [graph.doubles(head.weights, [series, width]), own], { axis: 0 });
    return graph.add('ReduceSum', [graph.add('Mul', [weights, covariates!]), graph.integers([1], [1])], { keepdims: 0 });
  }
  const cells = head.rows.length / head.width;
  const rows = graph.add('Gather', [head.type === 'trees' ? graph.doubles(head.rows, [cells, head.width]) : graph.floats(head.rows, [cells, head.width]), cell], { axis: 0 });
  const given = head.type === 'trees' ? covariates! : graph.add('Cast', [covariates!], { to: FLOAT });
  let values = graph.add('Concat', [rows, given], { axis: 1 });
  if (head.type === 'trees') {
    const columns = Int32Array.from({ length: head.width + width }, (_, at) => at);
    values = writeTreeSums(graph, values, columns, { outputs: 1, trees: head.trees, codes: Array.from(columns, () => null) });
  } else {
    for (const { inputs, units, kernel, bias, activation } of head.layers) {
      values = activate(graph, graph.add('Gemm', [values, graph.floats(kernel, [inputs, units]), graph.floats(bias, [units])]), activation);
    }
  }
  return graph.add('Cast', [graph.add('Reshape', [values, graph.integers([-1], [1])])], { to: DOUBLE });
}

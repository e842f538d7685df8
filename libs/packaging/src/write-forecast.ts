import { type FittedForecast, stepInput } from './fitted-forecast.ts';
import { createOnnxGraph } from './onnx-graph.ts';
import type { Signature } from './signature.ts';

/** ONNX TensorProto.DataType, for `Cast` */
const INT64 = 7;
const N = 'N';

/**
 * A forecast as one ONNX graph: a table, read at series and step. Inputs: `numbers` double [N, 1], the step; `categories`
 * string [N, 1], the series, if there are several. Outputs: `prediction`, `lower`, `upper`, double [N, 1].
 */
export function writeForecast({ family, series, horizon, point, lower, upper }: FittedForecast, signature: Signature): Uint8Array {
  const graph = createOnnxGraph(family);
  graph.input({ name: 'numbers', type: 'double', shape: [N, 1] });
  let place = graph.add('Sub', [graph.add('Cast', ['numbers'], { to: INT64 }), graph.integers([1], [])]);
  if (series) {
    graph.input({ name: 'categories', type: 'string', shape: [N, 1] });
    const order = series.names.map((_, at) => at);
    // A name that is not known leads out of the table, which the runtime refuses.
    const own = graph.add('LabelEncoder', ['categories'], { keys_strings: series.names, values_int64s: order, default_int64: series.names.length });
    place = graph.add('Add', [graph.add('Mul', [own, graph.integers([horizon], [])]), place]);
  }
  for (const [name, values] of Object.entries({ prediction: point, lower, upper })) {
    graph.output(graph.add('Gather', [graph.doubles(values, [values.length]), place], { axis: 0 }), { name, type: 'double', shape: [N, 1] });
  }
  return graph.write({
    numbers: JSON.stringify([stepInput]),
    categories: JSON.stringify(series ? [series.column] : []),
    missing_category: signature.graph.missingCategory,
  });
}

export function forecastSignature({ family, target, series, horizon, lastObservation, frequency, intervalCoverage }: FittedForecast): Signature {
  let missingCategory = '';
  while (series?.names.includes(missingCategory)) missingCategory += '?';
  return {
    formatVersion: 1,
    task: 'forecasting',
    family,
    inputs: [
      { name: stepInput, type: 'number', required: true, min: 1, max: horizon, closed: true },
      ...(series ? [{ name: series.column, type: 'category' as const, required: true, categories: [...series.names], closed: true as const }] : []),
    ],
    output: { name: target, type: 'number' },
    forecast: { lastObservation, frequency, horizon, intervalCoverage },
    graph: { missingCategory, rowsPerCall: 4096 },
  };
}

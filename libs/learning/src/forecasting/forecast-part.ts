import type { DenseLayer } from '../pipeline.ts';
import { sumTrees, type Tree } from '../trees/tree.ts';

/**
 * One way to say what will be: for a cell (a series and a step) the answer is `base + unit · head`, or e to that power, where
 * the head looks at what was known of the cell when the forecast was made and at the covariates that come with the question.
 */
export interface ForecastPart {
  /** [series, horizon], row by row */
  base: Float64Array;
  /** [series, horizon] */
  unit: Float64Array;
  /** [series]: 1 where the answer is e to the power of the sum */
  logarithmic: Int32Array;
  /** null: the answer is the base */
  head: ForecastHead | null;
}

export type ForecastHead =
  /** the covariates' weighted sum; weights [series, covariates] */
  | { type: 'linear'; weights: Float64Array }
  /** the sum of trees, rounded to float32, over a cell's `rows` [cells, width] and the covariates */
  | { type: 'trees'; width: number; rows: Float64Array; trees: Tree[] }
  /** a network in float32 over a cell's `rows` [cells, width] and the covariates; its last layer is one linear unit */
  | { type: 'network'; width: number; rows: Float32Array; layers: DenseLayer[] };

/** What a part says of a cell under the encoded covariates, before the floor. */
export function scorePart({ base, unit, logarithmic, head }: ForecastPart, series: number, cell: number, encoded: Float64Array): number {
  const sum = head ? base[cell]! + unit[cell]! * scoreHead(head, series, cell, encoded) : base[cell]!;
  return logarithmic[series] ? Math.exp(sum) : sum;
}

function scoreHead(head: ForecastHead, series: number, cell: number, encoded: Float64Array): number {
  switch (head.type) {
    case 'linear':
      return encoded.reduce((sum, value, at) => sum + value * head.weights[series * encoded.length + at]!, 0);
    case 'trees': {
      const row = new Float64Array(head.width + encoded.length);
      row.set(head.rows.subarray(cell * head.width, (cell + 1) * head.width));
      row.set(encoded, head.width);
      return Math.fround(sumTrees(head.trees, 1, new Uint8Array(row.length), row, 1)[0]!);
    }
    case 'network': {
      const row = new Float32Array(head.width + encoded.length);
      row.set(head.rows.subarray(cell * head.width, (cell + 1) * head.width));
      row.set(encoded, head.width);
      return passLayers(head.layers, row)[0]!;
    }
  }
}

/** One row through layers of `relu`, `tanh` and `linear`; sums in float64, results in float32. */
function passLayers(layers: readonly DenseLayer[], row: Float32Array): Float32Array {
  return layers.reduce((values, { inputs, units, kernel, bias, activation }) => {
    const results = new Float32Array(units);
    for (let unit = 0; unit < units; unit++) {
      let sum = bias[unit]!;
      for (let at = 0; at < inputs; at++) sum += values[at]! * kernel[at * units + unit]!;
      results[unit] = activation === 'relu' ? Math.max(0, sum) : activation === 'tanh' ? Math.tanh(sum) : sum;
    }
    return results;
  }, row);
}

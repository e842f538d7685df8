import { fitFeatures } from '../pipeline.ts';
import type { Table } from '../table.ts';
import { normalQuantile } from './normal-quantile.ts';
import { fitRobustZScore, medianDeviationFactor, scoreByRobustZ } from './robust-z-score.ts';

function scored(table: Table, combine: 'largest' | 'combined' = 'largest') {
  const rows = Int32Array.from({ length: table.rows }, (_, row) => row);
  const fitted = fitFeatures(table, table.columns.map(({ name, type }) => ({ name, type })), rows);
  if (fitted.type === 'invalid') throw new Error(JSON.stringify(fitted.problems));
  const scorer = fitRobustZScore(table, fitted.features, rows, combine);
  return { scorer, ...scoreByRobustZ(scorer, fitted.features, table, rows) };
}

const column = (name: string, ...values: number[]) => ({ name, type: 'number' as const, values: Float64Array.from(values) });

// scipy 1.17, scipy.stats.norm.ppf
test.each([[0.5, 0], [0.75, 0.6744897501960817], [0.9, 1.2815515655446004], [0.975, 1.959963984540054], [0.9999, 3.719016485455709], [0.9999999, 5.199337582290661]])(
  'the normal quantile of %d is %d', (p, expected) => expect(normalQuantile(p)).toBeCloseTo(expected, 5),
);

test('the textbook example: the median of 1 1 2 2 4 6 9 is 2, the median deviation 1', () => {
  const { scorer, scores } = scored({ rows: 7, columns: [column('x', 1, 1, 2, 2, 4, 6, 9)] });
  expect(scorer.columns).toEqual([{ type: 'number', centre: 2, scale: medianDeviationFactor }]);
  expect(scores[6]).toBeCloseTo(7 / 1.4826, 4);
});

test('where most values are equal the mean deviation measures, where all are, the unit itself', () => {
  const { scorer } = scored({ rows: 5, columns: [column('x', 3, 3, 3, 3, 8), column('y', 4, 4, 4, 4, 4)] });
  // The mean deviation from 3 is 1.
  expect(scorer.columns).toMatchObject([{ centre: 3, scale: expect.closeTo(Math.sqrt(Math.PI / 2), 9) }, { centre: 4, scale: 1 }]);
});

test('a gap in a number says nothing; a category is as far out as it is rare', () => {
  const { scores, contributions } = scored({
    rows: 20,
    columns: [
      column('x', NaN, ...Array.from({ length: 19 }, (_, at) => at)),
      { name: 'c', type: 'category', values: Array.from({ length: 20 }, (_, at) => (at === 0 ? 'b' : 'a')) },
    ],
  });
  // One row of 20 has "b", and one more is counted as having neither: 2 of 21 are as rare.
  const rare = normalQuantile(1 - 2 / 21 / 2);
  expect([scores[0], contributions![0], contributions![1]]).toEqual([rare, 0, rare]);
  expect(contributions![3]).toBe(0);
});

test('combined parts add up to the score, the root of the mean square', () => {
  const { scores, contributions } = scored({ rows: 7, columns: [column('x', 1, 1, 2, 2, 4, 6, 9), column('y', 0, 1, 2, 3, 4, 5, 6)] }, 'combined');
  const [x, y] = [7 / medianDeviationFactor, 3 / (2 * medianDeviationFactor)];
  expect(scores[6]).toBeCloseTo(Math.sqrt((x * x + y * y) / 2), 12);
  expect(contributions![12]! + contributions![13]!).toBeCloseTo(scores[6]!, 12);
});

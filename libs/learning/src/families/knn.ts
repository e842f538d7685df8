import type { NearestNeighboursSettings } from '@millrace/configuration';
import { findNeighbours, neighbourShares } from '../nearest-neighbours.ts';
import { encodeRows, encodedWidth, fitFeatures, type FittedEstimator } from '../pipeline.ts';
import { fitTarget } from '../prepared-data.ts';
import { classesOf, classScores, type Family } from './family.ts';

type NearestNeighboursEstimator = Extract<FittedEstimator, { family: 'knn' }>;

export const knn: Family<NearestNeighboursSettings, NearestNeighboursEstimator> = {
  learnsFromValidation: true,
  parameters: ({ family: _family, ...own }) => own,
  epochs: () => 0,
  search: {
    space: ({ rows }) => ({
      settings: {
        k: { type: 'logInteger', low: 1, high: Math.max(2, Math.min(50, Math.floor(rows / 5))) },
        weights: { type: 'choice', of: ['uniform', 'distance'] },
        scaling: { type: 'choice', of: ['standard', 'none'] },
      },
    }),
    // Of many rows it is slow to answer, and others do better.
    portfolio: ({ rows }) => [
      { order: rows < 3_000 ? 1 : 11, point: { settings: { k: 5, weights: 'distance', scaling: 'standard' } } },
      { order: rows < 3_000 ? 3 : 12, point: { settings: { k: 3, weights: 'distance', scaling: 'none' } } },
    ],
  },

  async fit({ data, spec, settings, rows }) {
    const begun = performance.now();
    const fitted = fitFeatures(data.table, spec.inputFeatures, rows, settings.scaling);
    if (fitted.type === 'invalid') return { type: 'failed', problem: fitted.problems[0]! };
    const truths = Float64Array.from(rows, (row) => data.truth[row]!);
    const estimator: NearestNeighboursEstimator = {
      family: 'knn',
      k: settings.k,
      weights: settings.weights,
      rows: encodeRows(fitted.features, data.table, rows),
      width: encodedWidth(fitted.features),
      targets: data.target.task === 'classification' ? Int32Array.from(truths) : truths,
    };
    const pipeline = { features: fitted.features, target: fitTarget(data, rows), estimator };
    return { type: 'fitted', fit: { pipeline, seconds: (performance.now() - begun) / 1000, epochs: 0, bestEpoch: 0, history: [] } };
  },

  async score({ features, target, estimator }, table, rows, pacer) {
    const { k, targets } = estimator;
    const classes = classesOf(target);
    const points = { count: targets.length, width: estimator.width, values: estimator.rows };
    const queries = { count: rows.length, width: encodedWidth(features), values: encodeRows(features, table, rows) };
    const neighbours = await findNeighbours(points, queries, k, pacer);
    if (!neighbours) return null;
    const results = new Float64Array(queries.count * (classes || 1));
    for (let query = 0; query < queries.count; query++) {
      const shares = neighbourShares(neighbours.squaredDistances.subarray(query * k, (query + 1) * k), estimator.weights);
      shares.forEach((share, at) => {
        const own = targets[neighbours.indices[query * k + at]!]!;
        if (classes > 0) results[query * classes + own]! += share;
        else results[query]! += share * own;
      });
    }
    return classes > 0 ? classScores(results, queries.count, classes) : { type: 'values', predicted: results };
  },
};

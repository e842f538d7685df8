import type { BaselineSettings } from '@millrace/configuration';
import { fitFeatures, type FittedEstimator } from '../pipeline.ts';
import { fitTarget, type PreparedData } from '../prepared-data.ts';
import { classesOf, classScores, type Family } from './family.ts';

type BaselineEstimator = Extract<FittedEstimator, { family: 'baseline' }>;

export const baseline: Family<BaselineSettings, BaselineEstimator> = {
  learnsFromValidation: true,
  parameters: ({ family: _family, ...own }) => own,
  epochs: () => 0,
  search: { portfolio: () => [{ order: 0, point: { settings: {} } }] },

  async fit({ data, spec, settings, rows }) {
    const begun = performance.now();
    // It reads no feature; learning them all the same lets it be asked with the rows of any other model of the run.
    const fitted = fitFeatures(data.table, spec.inputFeatures, rows);
    if (fitted.type === 'invalid') return { type: 'failed', problem: fitted.problems[0]! };
    const answer = data.target.task === 'classification'
      ? classShares(data, rows, data.target.classes.length)
      : Float64Array.of(averageOf(data, rows, settings.average));
    const picture = spec.inputFeatures.find(({ type }) => type === 'image');
    // It looks at no pixel, so the smallest picture will do.
    const image = picture ? { image: { name: picture.name, width: 1, height: 1, channels: 1 as const } } : {};
    const pipeline = { features: fitted.features, ...image, target: fitTarget(data, rows), estimator: { family: 'baseline' as const, answer } };
    return { type: 'fitted', fit: { pipeline, seconds: (performance.now() - begun) / 1000, epochs: 0, bestEpoch: 0, history: [] } };
  },

  async score({ target, estimator: { answer } }, _table, rows) {
    const classes = classesOf(target);
    if (classes === 0) return { type: 'values', predicted: new Float64Array(rows.length).fill(answer[0]!) };
    const probabilities = Float64Array.from({ length: rows.length * classes }, (_, at) => answer[at % classes]!);
    return classScores(probabilities, rows.length, classes);
  },
};

function classShares(data: PreparedData, rows: Int32Array, classes: number): Float64Array {
  const counts = new Float64Array(classes);
  for (const row of rows) counts[data.truth[row]!]! += 1;
  return counts.map((count) => count / rows.length);
}

function averageOf(data: PreparedData, rows: Int32Array, average: BaselineSettings['average']): number {
  const values = Float64Array.from(rows, (row) => data.truth[row]!);
  if (average === 'mean') return values.reduce((sum, value) => sum + value, 0) / values.length;
  values.sort();
  const middle = values.length >> 1;
  return values.length % 2 === 1 ? values[middle]! : values[middle - 1]! / 2 + values[middle]! / 2;
}

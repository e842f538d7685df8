import { parseArgs } from 'node:util';
import { parseTrainingSpec } from '@millrace/configuration';
import { type ExplanationBasis, planExplanation, servedTreesOf, synthesiseBackground } from '@millrace/explanation';
import { train } from '@millrace/learning';
import { buildPackage, checkVectors, loadModel, readBackground, type ValidatedRows } from '@millrace/packaging';
import { median } from './median.ts';
import { readScoredDataset, type ScoredDataset, scoredDatasetNames } from './scored-data.ts';

/**
 * Explains rows of the first fold by models that were trained on the others: how it is done, what it takes as a multiple of one
 * prediction of one row in the same run, how faithful the explanations are, and how large their standard errors.
 */
export async function benchExplain(parameters: string[]): Promise<void> {
  const { values } = parseArgs({
    args: parameters,
    options: { data: { type: 'string', default: scoredDatasetNames.join(',') }, models: { type: 'string', default: 'linear,boosted_trees,random_forest,dense,knn' }, rows: { type: 'string', default: '10' } },
  });
  console.log('data set      model          algorithm             evaluations   time / prediction   faithfulness (least)   error / largest   remainder');
  for (const name of values.data.split(',')) {
    const dataset = readScoredDataset(name);
    if (!dataset) {
      console.warn(`SKIPPED: ${name} is not in the folder beside this repository`);
      continue;
    }
    for (const family of values.models.split(',')) console.log(await lineOf(dataset, family, Number(values.rows)));
  }
}

async function lineOf(dataset: ScoredDataset, family: string, count: number): Promise<string> {
  const { table, inputs, target, folds } = dataset;
  const parsed = parseTrainingSpec({ inputFeatures: inputs, outputFeatures: [target], models: [{ family }] });
  if (parsed.type === 'invalid') throw new Error(JSON.stringify(parsed.problems));
  const outcome = await train({ table, spec: parsed.spec, testRows: folds[0]! });
  if (outcome.type !== 'trained') throw new Error(JSON.stringify(outcome));
  const { pipeline } = outcome.trials.find((trial) => trial.family === family)!;
  const vectorOf = (row: number) =>
    inputs.map(({ name, type }) => {
      const value = table.columns.find((column) => column.name === name)!.values[row] ?? null;
      return value === null || Number.isNaN(value) ? null : type === 'number' ? (value as number) : String(value);
    });
  const learned = Array.from(outcome.split.train, vectorOf);
  const { files, signature, digest } = buildPackage(pipeline, { metrics: {}, lineage: {}, background: synthesiseBackground(inputs.map((_, place) => learned.map((vector) => vector[place]!))) });
  const model = await loadModel(files);
  const trees = servedTreesOf(pipeline, signature);
  const basis: ExplanationBasis = { background: readBackground(files, signature), isBackgroundKnown: true, ...(trees ? { trees } : {}) };
  const rows: ValidatedRows[] = [...folds[0]!].map((row) => checkVectors(signature, [vectorOf(row)])).flatMap((checked) => (checked.type === 'valid' ? [checked.rows] : [])).slice(0, count);

  const predictionTimes: number[] = [];
  for (let round = 0; round < 200; round++) {
    const begun = performance.now();
    await model.predict(rows[round % rows.length]!);
    predictionTimes.push(performance.now() - begun);
  }
  const planned = planExplanation(signature, digest, basis, {});
  if (planned.type === 'refused') return `${dataset.name} ${family}: ${planned.problem.message}`;
  const [times, scores, errors, remainders]: [number[], number[], number[], number[]] = [[], [], [], []];
  let [algorithm, evaluations] = ['', 0];
  for (const row of rows) {
    const begun = performance.now();
    const { method, faithfulness, attributions, additivityError, answer } = await planned.explain(row, { model, inTurn: async (work) => work() });
    times.push(performance.now() - begun);
    [algorithm, evaluations] = [method.algorithm, method.evaluations];
    if (faithfulness.score !== null) scores.push(faithfulness.score);
    const largest = Math.max(...attributions.map(({ value }) => Math.abs(value)));
    if (largest > 0) errors.push(Math.max(...attributions.map(({ standardError }) => standardError)) / largest);
    remainders.push(Math.abs(additivityError) / Math.max(1e-9, Math.abs(answer)));
  }
  await model.close();
  const score = scores.length > 0 ? `${median(scores).toFixed(3)} (${Math.min(...scores).toFixed(3)})` : 'none';
  return [
    dataset.name.padEnd(14), family.padEnd(15), algorithm.padEnd(22), String(evaluations).padStart(11), (median(times) / median(predictionTimes)).toFixed(0).padStart(20), score.padStart(23),
    (errors.length > 0 ? median(errors).toFixed(3) : '–').padStart(18), Math.max(...remainders).toExponential(1).padStart(12),
  ].join('');
}

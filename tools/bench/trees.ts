import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { parseTrainingSpec } from '@millrace/configuration';
import { scoreFolds, selectBackend } from '@millrace/learning';
import { readScoredDataset, type ScoredDataset, scoredDatasetNames } from './scored-data.ts';
import { say } from './servers.ts';

const folder = path.join(import.meta.dirname, '../../../shared/data');
/** The peers whose figures stand in baselines.md. */
const peers = ['rf', 'hgb', 'lgbm'];

/**
 * Scores the tree families with their defaults, or with `--settings` as JSON, on the folds of the shared data sets, beside
 * the figures that baselines.md gives for scikit-learn's forest and histogram boosting and for LightGBM on the same folds.
 */
export async function benchTrees(parameters: string[]): Promise<void> {
  const { values } = parseArgs({
    args: parameters,
    options: {
      data: { type: 'string', default: scoredDatasetNames.join(',') },
      families: { type: 'string', default: 'random_forest,boosted_trees' },
      settings: { type: 'string', default: '{}' },
    },
  });
  if (!existsSync(folder)) {
    console.error(`There are no data sets in ${folder}: nothing to score.`);
    process.exitCode = 1;
    return;
  }
  await selectBackend({ prefer: 'cpu' });
  const families = values.families.split(',');
  const settings = JSON.parse(values.settings) as object;
  const baselines = await readBaselines();
  console.log(`| data | metric | ${families.join(' | ')} | ${peers.join(' | ')} | seconds a fold |`);
  console.log(`|---|---|${[...families, ...peers, ''].map(() => '---|').join('')}`);
  for (const name of scoredDatasetNames.filter((known) => values.data.split(',').includes(known))) {
    say(name);
    const dataSet = readScoredDataset(name)!;
    const scored = await scoreDataSet(dataSet, families.map((family) => ({ family, ...settings })));
    const metrics = dataSet.target.type === 'number' ? ['rmse', 'mae', 'r2'] : ['accuracy', 'balancedAccuracy', 'macroF1', 'rocAuc'];
    for (const [place, metric] of metrics.entries()) {
      const own = scored.map(({ metrics: folds }) => meanAndDeviation(folds.map((fold) => figureOf(fold, metric))));
      const others = peers.map((peer) => baselines.get(`${dataSet.name} ${metric} ${peer}`) ?? '-');
      const seconds = place === 0 ? scored.map((model) => (model.seconds / model.metrics.length).toFixed(2)).join(', ') : '';
      console.log(`| ${dataSet.name} | ${metric} | ${[...own, ...others].join(' | ')} | ${seconds} |`);
    }
  }
}

async function scoreDataSet({ table, inputs, target, folds: testRows }: ScoredDataset, models: object[]) {
  const folds = new Int32Array(table.rows).fill(-1);
  testRows.forEach((rows, fold) => rows.forEach((row) => (folds[row] = fold)));
  const parsed = parseTrainingSpec({
    inputFeatures: inputs,
    outputFeatures: [{ name: target.name, type: target.type === 'number' ? 'number' : 'category' }],
    models,
  });
  if (parsed.type === 'invalid') throw new Error(JSON.stringify(parsed.problems));
  const outcome = await scoreFolds({ table, spec: parsed.spec, folds });
  if (outcome.type !== 'scored') throw new Error(JSON.stringify(outcome));
  return outcome.models;
}

type FoldMetrics = Awaited<ReturnType<typeof scoreDataSet>>[number]['metrics'][number];

function figureOf(metrics: FoldMetrics, name: string): number {
  const value = name === 'macroF1' && metrics.type === 'classification' ? metrics.macro.f1 : (metrics as unknown as Record<string, unknown>)[name];
  return typeof value === 'number' ? value : NaN;
}

function meanAndDeviation(values: number[]): string {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const deviation = Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length);
  return `${mean.toPrecision(4)} ± ${deviation.toPrecision(2)}`;
}

/** The tables of baselines.md: by data set, metric and peer. */
async function readBaselines(): Promise<Map<string, string>> {
  const titles: Record<string, string> = {
    'Classification: accuracy': 'accuracy', 'Classification: balanced accuracy': 'balancedAccuracy', 'Classification: macro F1': 'macroF1',
    'Binary: ROC-AUC': 'rocAuc', 'Multiclass: ROC-AUC': 'rocAuc', 'Regression: RMSE': 'rmse', 'Regression: MAE': 'mae', 'Regression: R2': 'r2',
  };
  const figures = new Map<string, string>();
  for (const section of (await readFile(path.join(folder, 'baselines.md'), 'utf8')).split('\n## ').slice(1)) {
    const [title, ...lines] = section.split('\n');
    const metric = Object.entries(titles).find(([start]) => title!.startsWith(start))?.[1];
    if (!metric) continue;
    const [header, , ...rows] = lines.filter((line) => line.startsWith('|')).map((line) => line.split('|').map((cell) => cell.trim()));
    for (const row of rows) header!.forEach((peer, at) => figures.set(`${row[1]} ${metric} ${peer}`, row[at]!));
  }
  return figures;
}

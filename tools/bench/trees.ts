import { existsSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { selectBackend } from '@millrace/learning';
import { figuresOf, type FoldScores, meanAndDeviation, scoreFolds } from './score-folds.ts';
import { folder, readBaselines, readScoredDataset, scoredDatasetNames } from './scored-data.ts';
import { say } from './servers.ts';

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
  const baselines = readBaselines();
  console.log(`| data | metric | ${families.join(' | ')} | ${peers.join(' | ')} | seconds a fold |`);
  console.log(`|---|---|${[...families, ...peers, ''].map(() => '---|').join('')}`);
  for (const name of scoredDatasetNames.filter((known) => values.data.split(',').includes(known))) {
    say(name);
    const dataSet = readScoredDataset(name)!;
    const scored: FoldScores[] = [];
    for (const family of families) scored.push(await scoreFolds(dataSet, { family, ...settings }));
    const metrics = dataSet.target.type === 'number' ? ['rmse', 'mae', 'r2'] : ['accuracy', 'balancedAccuracy', 'macroF1', 'rocAuc'];
    for (const [place, metric] of metrics.entries()) {
      const own = scored.map((scores) => meanAndDeviation(figuresOf(scores, metric)));
      const others = peers.map((peer) => baselines.get(`${dataSet.name} ${metric}`)?.[peer] ?? '-');
      const seconds = place === 0 ? scored.map((model) => (model.seconds / model.metrics.length).toFixed(2)).join(', ') : '';
      console.log(`| ${dataSet.name} | ${metric} | ${[...own, ...others].join(' | ')} | ${seconds} |`);
    }
  }
}

import { parseArgs } from 'node:util';
import { selectBackend } from '@millrace/learning';
import { figuresOf, meanAndDeviation, scoreFolds } from './score-folds.ts';
import { readBaselines, readScoredDataset, scoredDatasetNames } from './scored-data.ts';

/** What is shown of a data set, by the kind of its target. */
const figures = { category: ['accuracy'], binary: ['accuracy', 'f1', 'rocAuc'], number: ['rmse', 'mae'] } as const;

/**
 * Trains model families with their defaults on each fold of the shared data sets, and shows mean ± deviation of their
 * scores on the rows left out, beside the figures that others reached on the same folds.
 *
 * `--models` takes families by name, or whole models as JSON, divided by `;`; `--trainer` a trainer as JSON.
 */
export async function benchFamilies(parameters: string[]): Promise<void> {
  const { values } = parseArgs({
    args: parameters,
    options: {
      models: { type: 'string', default: 'baseline;linear;knn;dense' },
      data: { type: 'string', default: scoredDatasetNames.join(',') },
      trainer: { type: 'string', default: '{}' },
      seed: { type: 'string', default: '0' },
    },
  });
  const models = values.models.split(';').map((text) => (text.startsWith('{') ? (JSON.parse(text) as object) : { family: text }));
  const trainer = JSON.parse(values.trainer) as object;
  const backend = await selectBackend();
  console.log(`backend: ${backend.name}; scores are mean ± standard deviation over the folds`);
  const others = readBaselines();
  for (const name of values.data.split(',')) {
    const dataset = readScoredDataset(name);
    if (!dataset) {
      console.warn(`SKIPPED: ${name} is not in the folder beside this repository`);
      continue;
    }
    for (const [metric, reference] of figures[dataset.target.type].map((metric) => [metric, others.get(`${name} ${metric}`)] as const)) {
      if (reference) console.log(`${name} ${metric}, others: ${Object.entries(reference).map(([program, figure]) => `${program} ${figure}`).join('; ')}`);
    }
    for (const model of models) {
      const scores = await scoreFolds(dataset, model, { trainer, seed: Number(values.seed) });
      const line = figures[dataset.target.type].map((metric) => `${metric} ${meanAndDeviation(figuresOf(scores, metric))}`);
      console.log(`${name} ${JSON.stringify(model)}: ${line.join('; ')}; ${(scores.seconds / scores.metrics.length).toFixed(2)} s a fold`);
    }
  }
}

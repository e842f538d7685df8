import { parseArgs } from 'node:util';
import { parseTrainingSpec, type SelectionMetric, selectionMetrics } from '@millrace/configuration';
import { selectBackend, train } from '@millrace/learning';
import { readBaselines, readScoredDataset, type ScoredDataset, scoredDatasetNames } from './scored-data.ts';

const metrics: Record<ScoredDataset['target']['type'], SelectionMetric> = { category: 'accuracy', binary: 'rocAuc', number: 'rmse' };

/**
 * The automatic search beside what others reached on the shared data sets: on each fold it searches in the other four
 * under a time limit and is scored on the fold. Each line ends with whom it loses to, if to anybody.
 * `npm run bench -- search [--seconds 60 --data iris,wine --folds 0,1,2,3,4 --metric f1 --details]`
 */
export async function benchSearch(parameters: string[]): Promise<void> {
  const { values } = parseArgs({
    args: parameters,
    options: {
      seconds: { type: 'string', default: '60' },
      data: { type: 'string', default: scoredDatasetNames.join(',') },
      folds: { type: 'string', default: '0,1,2,3,4' },
      metric: { type: 'string' },
      details: { type: 'boolean', default: false },
    },
  });
  const seconds = Number(values.seconds);
  const backend = await selectBackend();
  const others = readBaselines();
  console.log(`${seconds} s a fold, backend ${backend.name}`);
  for (const name of values.data.split(',')) {
    const dataset = readScoredDataset(name);
    if (!dataset) {
      console.warn(`SKIPPED: ${name} is not in the folder beside this repository`);
      continue;
    }
    const metric = (values.metric ?? metrics[dataset.target.type]) as SelectionMetric;
    const scores: number[] = [];
    for (const fold of values.folds.split(',').map(Number)) scores.push(await searchFold(dataset, fold, metric, seconds, values.details));
    report(name, metric, scores, others.get(`${name} ${metric}`) ?? {});
  }
}

async function searchFold({ table, inputs, target, folds }: ScoredDataset, fold: number, metric: SelectionMetric, seconds: number, details: boolean): Promise<number> {
  const parsed = parseTrainingSpec({ inputFeatures: inputs, outputFeatures: [target], selection: { metric, timeLimitSeconds: seconds } });
  if (parsed.type === 'invalid') throw new Error(JSON.stringify(parsed.problems));
  const begun = performance.now();
  const outcome = await train({ table, spec: parsed.spec, testRows: folds[fold] });
  if (outcome.type !== 'trained') throw new Error(JSON.stringify(outcome));
  const scoreOf = (of: object | null) => (of as Record<string, number>)[metric]!;
  const best = outcome.trials[outcome.best]!;
  if (details) {
    console.log(`  fold ${fold}, ${((performance.now() - begun) / 1000).toFixed(1)} s`);
    for (const { number, origin, status, score, firstScore, fitSeconds, at, settings, trainer } of outcome.search ?? []) {
      const figures = `val ${score?.toFixed(4) ?? '-'} first ${firstScore?.toFixed(4) ?? '-'} fit ${fitSeconds.toFixed(2)} s at ${at.toFixed(1)} s`;
      console.log(`    ${number} ${origin} ${status} ${figures} ${JSON.stringify({ ...settings, ...trainer })}`);
    }
    for (const trial of outcome.trials) {
      const figures = `val ${scoreOf(trial.metrics.validation).toFixed(4)} test ${scoreOf(trial.metrics.test).toFixed(4)}`;
      console.log(`    ${trial === best ? '*' : ' '} ${trial.model} ${trial.family} ${figures} ${trial.family === 'ensemble' ? JSON.stringify(trial.parameters['members']) : ''}`);
    }
  }
  return scoreOf(best.metrics.test);
}

function report(name: string, metric: SelectionMetric, scores: number[], others: Record<string, string>): void {
  const mean = scores.reduce((sum, score) => sum + score, 0) / scores.length;
  const deviation = Math.sqrt(scores.reduce((sum, score) => sum + (score - mean) ** 2, 0) / scores.length);
  const sign = selectionMetrics[metric].direction === 'higher' ? 1 : -1;
  const figures = Object.entries(others).map(([program, figure]) => ({ program, mean: Number.parseFloat(figure) })).sort((a, b) => sign * (b.mean - a.mean));
  const [best, lightgbm] = [figures.find(({ program }) => program !== 'lgbm'), figures.find(({ program }) => program === 'lgbm')];
  // Theirs have four figures.
  const asGiven = Number(mean.toPrecision(4));
  const beside = [best, lightgbm].flatMap((figure) => (figure ? [`${figure.program} ${figure.mean}`] : []));
  const losesTo = [best, lightgbm].flatMap((figure) => (figure && sign * (figure.mean - asGiven) > 0 ? [figure.program] : []));
  console.log(
    `${name} ${metric}: search ${mean.toPrecision(4)} ± ${deviation.toPrecision(2)}; ${beside.join('; ')}; ` +
      `by fold ${scores.map((score) => score.toPrecision(4)).join(' ')}${losesTo.length > 0 ? `; LOSES to ${losesTo.join(', ')}` : ''}`,
  );
}

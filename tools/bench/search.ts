import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { parseTrainingSpec, type SelectionMetric, selectionMetrics } from '@millrace/configuration';
import { type ColumnData, selectBackend, type Table, train } from '@millrace/learning';

interface Task {
  file: string;
  target: { name: string; type: 'category' | 'binary' | 'number' };
  leaveOut: string[];
  metric: SelectionMetric;
  /** The heading of its table in baselines.md. */
  heading: string;
  /** Columns that hold codes, not quantities. */
  categories?: string[];
}

const accuracy = 'Classification: accuracy, mean ± std over 5 folds';
const leaks = ['UDI', 'Product ID', 'TWF', 'HDF', 'PWF', 'OSF', 'RNF'];
const tasks: Record<string, Task> = {
  iris: { file: 'iris', target: { name: 'species', type: 'category' }, leaveOut: [], metric: 'accuracy', heading: accuracy },
  wine: { file: 'wine', target: { name: 'cultivar', type: 'category' }, leaveOut: [], metric: 'accuracy', heading: accuracy },
  digits: { file: 'digits', target: { name: 'digit', type: 'category' }, leaveOut: [], metric: 'accuracy', heading: accuracy },
  ai4i2020: { file: 'ai4i2020', target: { name: 'Machine failure', type: 'binary' }, leaveOut: leaks, metric: 'rocAuc', heading: 'Binary: ROC-AUC' },
  auto_mpg: { file: 'auto_mpg', target: { name: 'miles_per_gallon', type: 'number' }, leaveOut: ['name'], metric: 'rmse', heading: 'Regression: RMSE' },
  concrete: { file: 'concrete', target: { name: 'strength', type: 'number' }, leaveOut: [], metric: 'rmse', heading: 'Regression: RMSE' },
  bike_sharing_day: {
    file: 'bike_sharing_day', target: { name: 'cnt', type: 'number' }, leaveOut: ['instant', 'dteday', 'casual', 'registered'], metric: 'rmse', heading: 'Regression: RMSE',
  },
};

/**
 * The automatic search against the baselines of the shared data folder, on its folds: searches on four folds under a time
 * limit, tests on the fifth. `npm run bench -- search [--seconds 60 --tables iris,wine --folds 0,1,2,3,4 --backend wasm]`
 */
export async function benchSearch(parameters: string[]): Promise<void> {
  const { values } = parseArgs({
    args: parameters,
    options: {
      seconds: { type: 'string', default: '60' }, tables: { type: 'string', default: Object.keys(tasks).join(',') },
      folds: { type: 'string', default: '0,1,2,3,4' }, data: { type: 'string' }, details: { type: 'boolean', default: false },
    },
  });
  const folder = values.data ?? [path.join(import.meta.dirname, '../../shared/data'), path.join(import.meta.dirname, '../../../shared/data')].find((at) => existsSync(at));
  if (!folder || !existsSync(folder)) {
    console.error('SKIPPED: there is no shared data folder beside this repository; give one with --data');
    return;
  }
  const backend = await selectBackend({ prefer: 'wasm' });
  const baselines = readFileSync(path.join(folder, 'baselines.md'), 'utf8');
  const seconds = Number(values.seconds);
  console.log(`${seconds} s a fold, backend ${backend.name}\n`);
  console.log('table             metric    search              best scikit-learn     LightGBM  by fold');
  for (const name of values.tables.split(',')) {
    const task = tasks[name];
    if (!task) throw new Error(`No table ${name}; there are ${Object.keys(tasks).join(', ')}`);
    const table = readTable(path.join(folder, `${task.file}.csv`), [...(task.categories ?? []), ...(task.target.type === 'number' ? [] : [task.target.name])]);
    const folds = readFileSync(path.join(folder, 'folds', `${task.file}.txt`), 'utf8').trim().split('\n').map(Number);
    const scores: number[] = [];
    for (const fold of values.folds.split(',').map(Number)) scores.push(await searchFold(task, table, folds, fold, seconds, values.details));
    report(name, task, scores, baselinesOf(baselines, task.heading, name));
  }
}

async function searchFold(task: Task, table: Table, folds: number[], fold: number, seconds: number, details: boolean): Promise<number> {
  const used = table.columns.filter(({ name }) => name !== task.target.name && !task.leaveOut.includes(name));
  const parsed = parseTrainingSpec({
    inputFeatures: used.map(({ name, type }) => ({ name, type })), outputFeatures: [task.target],
    selection: { metric: task.metric, timeLimitSeconds: seconds },
  });
  if (parsed.type === 'invalid') throw new Error(JSON.stringify(parsed.problems));
  const testRows = Int32Array.from(folds.flatMap((of, row) => (of === fold ? [row] : [])));
  const begun = performance.now();
  const outcome = await train({ table, spec: parsed.spec, testRows });
  if (outcome.type !== 'trained') throw new Error(JSON.stringify(outcome));
  const took = (performance.now() - begun) / 1000;
  const scoreOf = (metrics: object) => (metrics as Record<string, number>)[task.metric]!;
  const best = outcome.trials[outcome.best]!;
  if (details) {
    console.log(`  fold ${fold}, ${took.toFixed(1)} s`);
    for (const { number, family, origin, status, score, firstScore, fitSeconds, settings, trainer } of outcome.search ?? []) {
      const { family: _family, ...own } = settings;
      console.log(`    ${number} ${family} ${origin} ${status} val ${score?.toFixed(4) ?? '-'} first ${firstScore?.toFixed(4) ?? '-'} fit ${fitSeconds.toFixed(2)} s ${JSON.stringify({ ...own, ...trainer })}`);
    }
    for (const trial of outcome.trials) {
      console.log(`    ${trial === best ? '*' : ' '} ${trial.model} ${trial.family} val ${scoreOf(trial.metrics.validation!).toFixed(4)} test ${scoreOf(trial.metrics.test).toFixed(4)} ${trial.family === 'ensemble' ? JSON.stringify(trial.parameters['members']) : ''}`);
    }
  }
  return scoreOf(best.metrics.test);
}

function report(name: string, task: Task, scores: number[], baselines: Map<string, number>): void {
  const mean = scores.reduce((sum, score) => sum + score, 0) / scores.length;
  const spread = Math.sqrt(scores.reduce((sum, score) => sum + (score - mean) ** 2, 0) / scores.length);
  const higher = selectionMetrics[task.metric].direction === 'higher';
  const [library, best] = [...baselines].filter(([of]) => of !== 'lgbm' && of !== 'dummy').sort(([, a], [, b]) => (higher ? b - a : a - b))[0]!;
  const lightgbm = baselines.get('lgbm')!;
  const digits = task.target.type === 'number' ? 3 : 4;
  const loses = (other: number) => (higher ? mean < other : mean > other);
  console.log(
    `${name.padEnd(17)} ${task.metric.padEnd(9)} ${mean.toFixed(digits)} ± ${spread.toFixed(digits)}`.padEnd(48) +
      `${library} ${best}`.padEnd(20) + `${lightgbm}`.padEnd(9) + ` ${scores.map((score) => score.toFixed(digits)).join(' ')}` +
      `${loses(best) ? '  LOSES to scikit-learn' : ''}${loses(lightgbm) ? '  LOSES to LightGBM' : ''}`,
  );
}

/** Model to mean, of the row `name` in the table under a heading. */
function baselinesOf(text: string, heading: string, name: string): Map<string, number> {
  const lines = text.slice(text.indexOf(`## ${heading}`)).split('\n');
  const cells = (line: string) => line.split('|').slice(1, -1).map((cell) => cell.trim());
  const header = cells(lines.find((line) => line.startsWith('| data'))!);
  const row = cells(lines.find((line) => line.startsWith(`| ${name} |`))!);
  return new Map(header.slice(1).map((model, at) => [model, Number.parseFloat(row[at + 1]!)]));
}

/** A CSV file without quotes; an empty cell is missing. */
function readTable(file: string, categories: string[]): Table {
  const [header, ...lines] = readFileSync(file, 'utf8').trim().split('\n');
  const rows = lines.map((line) => line.split(','));
  const columns = header!.split(',').map((name, at): ColumnData => {
    const texts = rows.map((row) => row[at]!);
    const isNumber = !categories.includes(name) && texts.every((text) => Number.isFinite(Number(text)));
    return isNumber
      ? { name, type: 'number', values: Float64Array.from(texts, (text) => (text === '' ? NaN : Number(text))) }
      : { name, type: 'category', values: texts.map((text) => (text === '' ? null : text)) };
  });
  return { rows: rows.length, columns };
}

import { execFile } from 'node:child_process';
import { parseArgs, promisify } from 'node:util';
import { parseTrainingSpec } from '@millrace/configuration';
import { selectBackend, trainAnomaly } from '@millrace/learning';
import { readScoredDataset, type ScoredDataset } from './scored-data.ts';
import { say } from './servers.ts';

const metrics = ['rocAuc', 'prAuc', 'precision', 'recall', 'f1', 'falseAlarmRate', 'massVolume'] as const;
type Figures = Record<(typeof metrics)[number], number[]>;

/**
 * Machine failures of AI4I 2020 found without being told of them: every family on the five folds of the data set, learned from
 * all rows and from normal rows only, judged by the label. With `--python PATH` scikit-learn's isolation forest beside it.
 */
export async function benchAnomaly(parameters: string[]): Promise<void> {
  const { values } = parseArgs({
    args: parameters,
    options: { rate: { type: 'string', default: '0.01' }, models: { type: 'string' }, trainer: { type: 'string', default: '{}' }, python: { type: 'string' }, folds: { type: 'string', default: '5' }, from: { type: 'string', default: 'all,normal' } },
  });
  const dataSet = readScoredDataset('ai4i2020');
  if (!dataSet) {
    console.error('ai4i2020.csv is not in the shared data folder: nothing to score.');
    process.exitCode = 1;
    return;
  }
  await selectBackend({ prefer: 'wasm' });
  console.log(`| learned from | family | ${metrics.join(' | ')} | stated rate | seconds |`);
  console.log(`|---|---|${metrics.map(() => '---').join('|')}|---|---|`);
  for (const learnFrom of values.from.split(',')) {
    const found = new Map<string, { figures: Figures; stated: number[]; seconds: number[] }>();
    for (const fold of dataSet.folds.slice(0, Number(values.folds)).keys()) {
      say(`${learnFrom}, fold ${fold}`);
      const { spec, table } = configurationOf(dataSet, fold, {
        falseAlarmRate: Number(values.rate), learnFrom, ...(values.models ? { models: JSON.parse(values.models) as object[] } : {}),
      }, JSON.parse(values.trainer) as object);
      const outcome = await trainAnomaly({ table, spec });
      if (outcome.type !== 'trained') throw new Error(JSON.stringify(outcome));
      for (const [index, trial] of outcome.trials.entries()) {
        const name = nameOf(spec.anomaly!.models[index] ?? { family: 'baseline' });
        const own = found.get(name) ?? { figures: Object.fromEntries(metrics.map((metric) => [metric, []])) as unknown as Figures, stated: [], seconds: [] };
        found.set(name, own);
        for (const metric of metrics) own.figures[metric].push(trial.metrics.test[metric] ?? NaN);
        own.stated.push(trial.detector.falseAlarmRate);
        own.seconds.push(trial.fitTimeSeconds);
      }
    }
    for (const [name, { figures, stated, seconds }] of found) {
      console.log(`| ${learnFrom} | ${name} | ${metrics.map((metric) => spread(figures[metric])).join(' | ')} | ${meanOf(stated).toFixed(4)} | ${meanOf(seconds).toFixed(2)} |`);
    }
  }
  if (values.python) await compareWithPython(dataSet, values.python);
}

function configurationOf({ table, inputs, target, folds }: ScoredDataset, fold: number, anomaly: object, trainer: object) {
  const foldOf = new Array<string>(table.rows).fill('');
  folds.forEach((rows, number) => rows.forEach((row) => (foldOf[row] = String(number))));
  const parsed = parseTrainingSpec({
    inputFeatures: inputs, outputFeatures: [{ name: target.name, type: 'binary', positiveClass: '1' }],
    split: { type: 'fold', column: 'fold', fold: String(fold) }, trainer, anomaly,
  });
  if (parsed.type === 'invalid') throw new Error(JSON.stringify(parsed.problems));
  return { spec: parsed.spec, table: { rows: table.rows, columns: [...table.columns, { name: 'fold', type: 'category' as const, values: foldOf }] } };
}

const script = `
import json, sys
import numpy as np
from sklearn.ensemble import IsolationForest
from sklearn.metrics import average_precision_score, roc_auc_score
given = json.load(sys.stdin)
x, y, folds = np.array(given['x'], float), np.array(given['y']), given['folds']
for learn_from in ('all', 'normal'):
    figures = []
    for test in folds:
        train = np.setdiff1d(np.arange(len(y)), test)
        if learn_from == 'normal': train = train[y[train] == 0]
        score = -IsolationForest(n_estimators=200, random_state=0).fit(x[train]).score_samples(x[test])
        figures.append((roc_auc_score(y[test], score), average_precision_score(y[test], score)))
    mean, spread = np.mean(figures, 0), np.std(figures, 0)
    print(f'scikit-learn, {learn_from}: ROC AUC {mean[0]:.3f} ± {spread[0]:.3f}, PR AUC {mean[1]:.3f} ± {spread[1]:.3f}')
`;

/** Categories are one-hot there, as the library reads numbers only. */
async function compareWithPython({ table, inputs, target, folds }: ScoredDataset, python: string): Promise<void> {
  const column = (name: string) => table.columns.find((one) => one.name === name)!;
  const cells = inputs.flatMap(({ name }): number[][] => {
    const { type, values } = column(name);
    if (type === 'number') return [Array.from(values)];
    return [...new Set(values)].map((category) => values.map((value) => Number(value === category)));
  });
  const x = Array.from({ length: table.rows }, (_, row) => cells.map((values) => values[row]!));
  const { values: truth } = column(target.name);
  const y = Array.from({ length: table.rows }, (_, row) => Number(truth[row]));
  const running = promisify(execFile)(python, ['-c', script]);
  running.child.stdin!.end(JSON.stringify({ x, y, folds: folds.map((rows) => Array.from(rows)) }));
  console.log((await running).stdout.trim());
}

/** `autoencoder hiddenLayers 32, codeSize 3`. */
function nameOf({ family, ...settings }: { family: string }): string {
  return `${family} ${Object.entries(settings).map(([name, value]) => `${name} ${String(value)}`).join(', ')}`.trim();
}

const meanOf = (values: number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;

function spread(values: number[]): string {
  const mean = meanOf(values);
  return `${mean.toFixed(3)} ± ${Math.sqrt(meanOf(values.map((value) => (value - mean) ** 2))).toFixed(3)}`;
}

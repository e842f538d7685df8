import { parseArgs } from 'node:util';
import { parseTrainingSpec } from '@millrace/configuration';
import { predict, predictSurvival, type Row, selectBackend, type Table, train, trainSurvival } from '@millrace/learning';
import { say } from './servers.ts';

type Truth = 'linear, Weibull' | 'bent, Weibull' | 'bent, log-normal';

/** Made-up machines whose times are known also where a run would not have seen their end. */
interface Machines {
  table: Table;
  rows: Row[];
  /** of the logarithm of the time */
  location: Float64Array;
  median: Float64Array;
  /** the time that would have been seen in the end */
  time: Float64Array;
}

const scale = 0.5;

/**
 * Survival models on made-up machines of which the truth is known, at several shares of rows still running: how far the medians
 * are from the true ones, and how many of the true times, seen or not, lie within the 80 % interval. Beside them what an ordinary
 * regression makes of the rows that ended, and of all rows taken at their word.
 */
export async function benchSurvival(parameters: string[]): Promise<void> {
  const { values } = parseArgs({ args: parameters, options: { rows: { type: 'string', default: '2000' }, seeds: { type: 'string', default: '3' } } });
  await selectBackend({ prefer: 'cpu' });
  console.log('| truth | still running | model | concordance | Brier | error of medians | bias of medians | within 80 % | seconds |');
  console.log('|---|---|---|---|---|---|---|---|---|');
  for (const truth of ['linear, Weibull', 'bent, Weibull', 'bent, log-normal'] as const) {
    for (const running of [0.3, 0.6, 0.85]) {
      const results = new Map<string, number[][]>();
      let share = 0;
      for (let seed = 1; seed <= Number(values.seeds); seed++) {
        say(`${truth}, ${running}, seed ${seed}`);
        const machines = makeMachines(Number(values.rows), truth, running, seed);
        const fresh = makeMachines(2000, truth, running, seed + 1000);
        share += (machines.table.columns.at(-1)!.values as string[]).filter((value) => value === 'no').length / machines.rows.length / Number(values.seeds);
        for (const [name, figures] of await score(machines, fresh)) results.set(name, [...(results.get(name) ?? []), figures]);
      }
      for (const [name, of] of results) {
        const mean = (at: number) => of.reduce((sum, figures) => sum + figures[at]!, 0) / of.length;
        const shown = (at: number, digits: number, unit = '') => (Number.isNaN(mean(at)) ? '-' : `${mean(at).toFixed(digits)}${unit}`);
        console.log(`| ${truth} | ${(share * 100).toFixed(0)} % | ${name} | ${shown(0, 3)} | ${shown(1, 3)} | ${shown(2, 0, ' %')} | ${shown(3, 0, ' %')} | ${shown(4, 0, ' %')} | ${shown(5, 2)} |`);
      }
    }
  }
}

/** Concordance, Brier score, error and bias of medians (per cent), coverage (per cent), seconds. */
async function score({ table }: Machines, fresh: Machines): Promise<[string, number[]][]> {
  const inputFeatures = [{ name: 'load', type: 'number' }, { name: 'heat', type: 'number' }, { name: 'noise', type: 'number' }, { name: 'maker', type: 'category' }];
  const shared = { inputFeatures, outputFeatures: [{ name: 'hours', type: 'number' }] };
  const specOf = (rest: object) => {
    const parsed = parseTrainingSpec({ ...shared, ...rest });
    if (parsed.type === 'invalid') throw new Error(JSON.stringify(parsed.problems));
    return parsed.spec;
  };
  const outcome = await trainSurvival({ table, spec: specOf({ survival: { eventColumn: 'failed', observedValue: 'yes' } }) });
  if (outcome.type !== 'trained') throw new Error(JSON.stringify(outcome));
  const results: [string, number[]][] = [];
  for (const { family, fitted, metrics, fitTimeSeconds } of outcome.trials) {
    const answers = await predictSurvival(fitted, fresh.rows);
    const within = answers.filter(({ interval }, row) => interval.lower <= fresh.time[row]! && fresh.time[row]! <= interval.upper).length / fresh.rows.length;
    results.push([family, [metrics.test.concordance ?? NaN, metrics.test.integratedBrier ?? NaN, ...errorsOf(answers.map(({ value }) => value), fresh), within * 100, fitTimeSeconds]]);
  }
  const ended = (table.columns.at(-1)!.values as string[]).flatMap((value, row) => (value === 'yes' ? [row] : []));
  for (const [name, own] of [['regression on the rows that ended', rowsOf(table, ended)], ['regression on all rows', table]] as const) {
    // Medians, as the others: the absolute error follows them.
    const trained = await train({ table: own, spec: specOf({ models: [{ family: 'boosted_trees', loss: 'absolute', learningRate: 0.05, numIterations: 150, numLeaves: 15 }] }) });
    if (trained.type !== 'trained') throw new Error(JSON.stringify(trained));
    const [trial] = trained.trials;
    const answers = await predict(trial!.pipeline, fresh.rows);
    results.push([name, [NaN, NaN, ...errorsOf(answers.map((answer) => ('value' in answer ? answer.value : NaN)), fresh), NaN, trial!.fitTimeSeconds]]);
  }
  return results;
}

/** Root mean square and mean of log(predicted / true median), as per cent. */
function errorsOf(predicted: number[], { median }: Machines): [number, number] {
  const errors = predicted.map((value, row) => Math.log(Math.max(value, 1e-3) / median[row]!));
  const mean = errors.reduce((sum, error) => sum + error, 0) / errors.length;
  const square = Math.sqrt(errors.reduce((sum, error) => sum + error ** 2, 0) / errors.length);
  return [Math.expm1(square) * 100, Math.expm1(mean) * 100];
}

function makeMachines(rows: number, truth: Truth, running: number, seed: number): Machines {
  let state = seed * 7919;
  const uniform = () => {
    // Mulberry32: enough for made-up rows.
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32 || 0.5;
  };
  const normal = () => Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform());
  const column = (draw: () => number) => Float64Array.from({ length: rows }, draw);
  const [load, heat, noise] = [column(() => 2 * uniform() - 1), column(() => 2 * uniform() - 1), column(normal)];
  const maker = Array.from({ length: rows }, () => ['north', 'south', 'west'][Math.floor(3 * uniform())]!);
  const location = load.map((value, row) => {
    const own = { north: 0.4, south: 0, west: -0.3 }[maker[row]!]!;
    return truth === 'linear, Weibull' ? 5 - value + 0.6 * heat[row]! + own : 5 - 1.5 * value ** 2 + (value > 0 ? heat[row]! : -heat[row]!) + own;
  });
  const isNormal = truth === 'bent, log-normal';
  const time = location.map((at) => Math.exp(at + scale * (isNormal ? normal() : Math.log(-Math.log(uniform())))));
  const median = location.map((at) => Math.exp(at + (isNormal ? 0 : scale * Math.log(Math.log(2)))));
  // Machines were put to work at any moment of a period, which is as long as leaves that share running.
  const started = column(uniform);
  let [short, long] = [0, 1e7];
  for (let step = 0; step < 60; step++) {
    const period = (short + long) / 2;
    if (time.filter((end, row) => end > period * started[row]!).length / rows > running) short = period;
    else long = period;
  }
  const looked = started.map((share) => Math.max(1e-3, share * short));
  return {
    location, median, time,
    rows: Array.from({ length: rows }, (_, row) => ({ load: load[row]!, heat: heat[row]!, noise: noise[row]!, maker: maker[row]! })),
    table: {
      rows,
      columns: [
        { name: 'load', type: 'number', values: load },
        { name: 'heat', type: 'number', values: heat },
        { name: 'noise', type: 'number', values: noise },
        { name: 'maker', type: 'category', values: maker },
        { name: 'hours', type: 'number', values: time.map((end, row) => Math.min(end, looked[row]!)) },
        { name: 'failed', type: 'binary', values: Array.from(time, (end, row) => (end <= looked[row]! ? 'yes' : 'no')) },
      ],
    },
  };
}

function rowsOf(table: Table, rows: number[]): Table {
  return {
    rows: rows.length,
    columns: table.columns.map((column) =>
      column.type === 'number' ? { ...column, values: Float64Array.from(rows, (row) => column.values[row]!) } : { ...column, values: rows.map((row) => column.values[row]!) }),
  };
}

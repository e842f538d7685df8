import { parseArgs } from 'node:util';
import { parseTrainingSpec } from '@millrace/configuration';
import { selectBackend, type Table, train, trainPersonalised, type TrainOutcome } from '@millrace/learning';
import { readScoredDataset } from './scored-data.ts';
import { say } from './servers.ts';

interface Case {
  name: string;
  table: Table;
  inputs: { name: string; type: string }[];
  target: string;
  group: string;
  headInputs: string[];
}

/**
 * What heads are worth: a model that knows no groups, one that has the group among its inputs, the shared model of a
 * personalisation (which learns without the rows kept for heads) and the personalised one, all on the same test rows. RMSE, mean of
 * the seeds; then in how many groups the test rows were answered worse than by the shared model, and by how much at most. Concrete and bikes
 * get made-up groups: machines that read up to a fifth too much or too little, and wear of their own; or none at all.
 */
export async function benchPersonalisation(parameters: string[]): Promise<void> {
  const { values } = parseArgs({ args: parameters, options: { seeds: { type: 'string', default: '5' }, families: { type: 'string', default: 'linear,boosted_trees' } } });
  await selectBackend({ prefer: 'cpu' });
  console.log('| data | groups | family | without groups | group as an input | shared model | personalised | heads | groups worse | proof rows worse |');
  console.log('|---|---|---|---|---|---|---|---|---|---|');
  for (const family of values.families.split(',')) {
    for (const one of casesOf()) {
      const sums = [0, 0, 0, 0];
      let [heads, groups, worse, judged, broken] = [0, 0, 0, 0, 0];
      for (let seed = 0; seed < Number(values.seeds); seed++) {
        say(`${family}, ${one.name}, seed ${seed}`);
        const plain = rmseOf(await train({ table: one.table, spec: specOf(one, family, seed, one.inputs) }));
        const asInput = rmseOf(await train({ table: one.table, spec: specOf(one, family, seed, [...one.inputs, { name: one.group, type: 'category' }]) }));
        const outcome = await trainPersonalised({ table: one.table, spec: specOf(one, family, seed, one.inputs, { personalisation: { column: one.group, minRows: 30, inputs: one.headInputs } }) });
        if (outcome.type !== 'trained') throw new Error(JSON.stringify(outcome));
        const report = outcome.trials[0]!.personalisation!;
        [plain, asInput, (report.base as { rmse: number }).rmse, rmseOf(outcome)].forEach((value, at) => (sums[at]! += value / Number(values.seeds)));
        heads += report.heads;
        groups += report.byGroup.length;
        const scored = report.byGroup.filter(({ isKept, testRows }) => isKept && testRows > 0);
        judged += scored.length;
        worse += scored.filter(({ score, baseScore }) => score! > baseScore!).length;
        broken += report.byGroup.filter((own) => own.isKept && own.head > own.base).length;
      }
      console.log(`| ${one.name} | ${groups / Number(values.seeds)} | ${family} | ${sums.map((sum) => sum.toPrecision(4)).join(' | ')} | ${heads} of ${groups} | ${worse} of ${judged} | ${broken} |`);
    }
  }
}

function specOf({ target }: Case, family: string, seed: number, inputFeatures: Case['inputs'], rest: object = {}) {
  const parsed = parseTrainingSpec({ inputFeatures, outputFeatures: [{ name: target, type: 'number' }], models: [{ family }], split: { type: 'random', trainFraction: 0.75, seed }, ...rest });
  if (parsed.type === 'invalid') throw new Error(JSON.stringify(parsed.problems));
  return parsed.spec;
}

function rmseOf(outcome: TrainOutcome): number {
  if (outcome.type !== 'trained') throw new Error(JSON.stringify(outcome));
  return (outcome.trials[0]!.metrics.test as { rmse: number }).rmse;
}

function casesOf(): Case[] {
  const made = [
    { name: 'made up, 8 machines alike', machines: 8, rows: 1600, differs: 0 },
    { name: 'made up, 8 machines of their own', machines: 8, rows: 1600, differs: 1 },
    { name: 'made up, 40 machines of their own', machines: 40, rows: 2400, differs: 1 },
  ].map(makeCase);
  const real = ['concrete', 'bike_sharing_day'].flatMap((name) => {
    const data = readScoredDataset(name);
    if (!data) return [];
    return [0, 1].map((differs) => groupedCase(data.name, data.table, data.inputs, data.target.name, differs));
  });
  if (real.length === 0) say('SKIPPED: the shared data folder is not beside this repository');
  return [...made, ...real];
}

function drawer(seed: number) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

function makeCase({ name, machines, rows, differs }: { name: string; machines: number; rows: number; differs: number }): Case {
  const uniform = drawer(5);
  const own = Array.from({ length: machines }, () => ({ offset: 4 * (uniform() - 0.5) * differs, slope: 2 * (uniform() - 0.5) * differs }));
  const column = () => Float64Array.from({ length: rows }, () => 4 * uniform() - 2);
  const [x, y] = [column(), column()];
  const machine = Array.from({ length: rows }, () => Math.floor(machines * uniform()));
  const wear = x.map((value, row) => 2 * value + Math.sin(2 * y[row]!) * 3 + own[machine[row]!]!.offset + own[machine[row]!]!.slope * y[row]! + uniform() + uniform() - 1);
  return {
    name, inputs: [{ name: 'x', type: 'number' }, { name: 'y', type: 'number' }], target: 'wear', group: 'machine', headInputs: ['y'],
    table: { rows, columns: [
      { name: 'x', type: 'number', values: x }, { name: 'y', type: 'number', values: y },
      { name: 'machine', type: 'category', values: machine.map(String) }, { name: 'wear', type: 'number', values: wear },
    ] },
  };
}

/** Rows of a data set given to made-up machines, each of which reads the target in its own way; with `differs` 0 all alike. */
function groupedCase(name: string, table: Table, inputs: Case['inputs'], target: string, differs: number): Case {
  const uniform = drawer(11);
  const own = Array.from({ length: 6 }, () => ({ factor: 1 + 0.4 * (uniform() - 0.5) * differs, offset: 0.3 * (uniform() - 0.5) * differs }));
  const machine = Array.from({ length: table.rows }, () => Math.floor(6 * uniform()));
  const columns = table.columns.map((column) => {
    if (column.name !== target || column.type !== 'number') return column;
    const mean = column.values.reduce((sum, value) => sum + value, 0) / column.values.length;
    return { ...column, values: column.values.map((value, row) => value * own[machine[row]!]!.factor + mean * own[machine[row]!]!.offset) };
  });
  return {
    name: `${name}, ${differs ? 'machines that read otherwise' : 'machines alike'}`, inputs, target, group: 'machine', headInputs: [],
    table: { rows: table.rows, columns: [...columns, { name: 'machine', type: 'category', values: machine.map(String) }] },
  };
}

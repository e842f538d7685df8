import { parseArgs } from 'node:util';
import { parseTrainingSpec } from '@millrace/configuration';
import { encodePng } from '@millrace/images';
import { type Backend, type ColumnData, selectBackend, type Table, train, trainForecast } from '@millrace/learning';
import { say } from './servers.ts';

/** What is trained, for how many steps: epochs, iterations or trees. */
const learners: Record<string, { model: object; trainer?: object; steps: number }> = {
  dense: { model: { family: 'dense', hiddenLayers: [64, 32] }, trainer: { epochs: 3, batchSize: 256, earlyStop: null }, steps: 3 },
  boosted_trees: { model: { family: 'boosted_trees', numIterations: 10 }, steps: 10 },
  random_forest: { model: { family: 'random_forest', numTrees: 10 }, steps: 10 },
  convolutional: { model: { family: 'convolutional', imageSize: 16, blocks: 2 }, trainer: { epochs: 2, batchSize: 64, earlyStop: null }, steps: 2 },
  linear: { model: { family: 'linear', solver: 'closed_form' }, steps: 1 },
};

/**
 * What a training costs, in CPU time of its fit, as ratios within one run: each backend to plain JavaScript, and each size of
 * table to the smallest, where 1.0 means that the cost grows with the cells and no faster. What is trained does not reach
 * its end: a few steps tell the cost of one.
 */
export async function benchTrain(parameters: string[]): Promise<void> {
  const { values } = parseArgs({
    args: parameters,
    options: {
      rows: { type: 'string', default: '1000,10000,100000' },
      columns: { type: 'string', default: '10,50' },
      families: { type: 'string', default: Object.keys(learners).filter((family) => family !== 'convolutional').join(',') },
      rounds: { type: 'string', default: '3' },
    },
  });
  const [rows, columns] = [values.rows, values.columns].map((text) => text.split(',').map(Number)) as [number[], number[]];
  const rounds = Number(values.rounds);

  for (const [family, table] of [['dense', madeUp(2_000, 20)], ['convolutional', madeUpPictures(300)]] as const) {
    console.log(`a ${family} network’s epochs by backend, to plain JavaScript`);
    let reference: number | null = null;
    for (const prefer of ['cpu', 'wasm', 'cuda'] as const) {
      const backend = await selectBackend({ prefer }).catch(() => null);
      if (backend?.name !== prefer) {
        console.log(`  ${prefer.padEnd(11)} not on this machine`);
        continue;
      }
      const seconds = await secondsAStep(family, table, rounds);
      reference ??= seconds;
      console.log(`  ${prefer.padEnd(11)} ${(reference / seconds).toFixed(2).padStart(6)} times as many epochs a second`);
    }
  }

  console.log('networks over sequences, epochs by backend, to plain JavaScript');
  for (const family of ['gru', 'tcn'] as const) {
    let reference: number | null = null;
    for (const prefer of ['cpu', 'wasm', 'cuda'] as const) {
      const backend = await selectBackend({ prefer }).catch(() => null);
      if (backend?.name !== prefer) continue;
      const seconds = await secondsAnEpoch(family, backend, rounds);
      reference ??= seconds;
      console.log(`  ${family.padEnd(5)} ${prefer.padEnd(5)} ${(reference / seconds).toFixed(2).padStart(6)} times as many epochs a second`);
    }
  }

  const backend = await selectBackend();
  for (const family of values.families.split(',')) {
    console.log(`${family}: CPU time of a step by size (${family === 'dense' ? backend.name : 'no tensors'}), per cell to the smallest table`);
    let smallest: number | null = null;
    for (const width of columns) {
      for (const height of rows) {
        say(`${family}: ${height} rows, ${width} columns`);
        const seconds = await secondsAStep(family, madeUp(height, width), height > 50_000 ? 1 : rounds);
        const perCell = seconds / (height * width);
        smallest ??= perCell;
        console.log(`  ${String(height).padStart(9)} rows × ${String(width).padStart(3)}   ${(height / seconds / 1000).toFixed(0).padStart(7)} thousand rows a second   per cell ${(perCell / smallest).toFixed(2).padStart(6)}`);
      }
    }
  }
}

/** The least of some rounds: what disturbs a measurement only adds to it. */
async function secondsAStep(family: string, table: Table, rounds: number): Promise<number> {
  const { model, trainer = {}, steps } = learners[family]!;
  const parsed = parseTrainingSpec({
    inputFeatures: table.pictures ? [{ name: table.pictures.name, type: 'image' }] : table.columns.slice(0, -1).map(({ name }) => ({ name, type: 'number' })),
    outputFeatures: [{ name: 'y', type: table.pictures ? 'category' : 'number' }],
    models: [model],
    trainer,
  });
  if (parsed.type === 'invalid') throw new Error(JSON.stringify(parsed.problems));
  let least = Infinity;
  for (let round = 0; round <= rounds; round++) {
    let begun: NodeJS.CpuUsage | null = null;
    let used = NaN;
    const outcome = await train({
      table,
      spec: parsed.spec,
      onEvent(event) {
        if (event.type === 'trial-started' && event.trial === 0) begun = process.cpuUsage();
        if (event.type === 'trial-finished' && event.trial === 0) {
          const { user, system } = process.cpuUsage(begun!);
          used = (user + system) / 1e6;
        }
      },
    });
    if (outcome.type !== 'trained' || outcome.failures.length) throw new Error(JSON.stringify(outcome));
    if (round > 0) least = Math.min(least, used / steps); // the first one warms up
  }
  return least;
}

/** CPU time of an epoch of 32 units over windows of 32 values, the least of some rounds; what happens between two epochs is theirs. */
async function secondsAnEpoch(family: 'gru' | 'tcn', backend: Backend, rounds: number): Promise<number> {
  const epochs = 2 + rounds;
  const parsed = parseTrainingSpec({
    inputFeatures: [],
    outputFeatures: [{ name: 'y', type: 'number' }],
    forecast: { timeColumn: 'day', horizon: 14, models: [{ family, units: 32, context: 32, epochs, patience: epochs }] },
  });
  if (parsed.type === 'invalid') throw new Error(JSON.stringify(parsed.problems));
  const days = 500;
  const [{ values }] = madeUp(days, 4).columns as [ColumnData];
  const table = {
    times: Array.from({ length: days }, (_, day) => new Date(Date.UTC(2024, 0, 1 + day)).toISOString()),
    series: null,
    values: Float64Array.from(values as Float64Array, (value, day) => 10 + 3 * Math.sin(day * 0.9) + value),
  };
  const times: number[] = [];
  let last = process.cpuUsage();
  await trainForecast({
    table, backend, spec: parsed.spec,
    onEpoch({ epoch }) {
      const { user, system } = process.cpuUsage(last);
      last = process.cpuUsage();
      // Those of the last part of the back-tests: the others have fewer windows.
      if (epoch > 2 * epochs + 1 && epoch <= 3 * epochs) times.push((user + system) / 1e6);
    },
  });
  return Math.min(...times);
}

/** Grey squares of 16 × 16 with a bar that lies or stands, which is what there is to learn. */
function madeUpPictures(rows: number): Table {
  const side = 16;
  const values = Array.from({ length: rows }, (_, row) => {
    const at = Math.floor(row / 2) % side;
    const data = Uint8Array.from({ length: side * side }, (_, pixel) => ((row % 2 ? pixel % side : Math.floor(pixel / side)) === at ? 255 : (pixel * 7 + row) % 64));
    return encodePng({ width: side, height: side, channels: 1, data });
  });
  const y: ColumnData = { name: 'y', type: 'category', values: Array.from({ length: rows }, (_, row) => (row % 2 ? 'stands' : 'lies')) };
  return { rows, columns: [y], pictures: { name: 'picture', type: 'image', values } };
}

/** Numbers of which the last column depends on the first ones, in a way that no family gets done with at once. */
function madeUp(rows: number, width: number): Table {
  let state = 1;
  const next = (): number => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 4_294_967_296;
  };
  const columns: ColumnData[] = Array.from({ length: width - 1 }, (_, at) => ({ name: `x${at}`, type: 'number', values: Float64Array.from({ length: rows }, next) }));
  const x = columns.map(({ values }) => values as Float64Array);
  const y = Float64Array.from({ length: rows }, (_, row) => Math.sin(6 * x[0]![row]!) + x[1]![row]! * x[2]![row]! + 0.3 * next());
  return { rows, columns: [...columns, { name: 'y', type: 'number', values: y }] };
}

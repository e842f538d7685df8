import { createHash } from 'node:crypto';
import fs from 'node:fs/promises';
import path from 'node:path';
import { parseTrainingSpec } from '@millrace/configuration';
import { selectBackend, train } from '@millrace/learning';
import { sampleData } from '@millrace/testkit';
import { candidates } from './resume-candidates.ts';
import { readTable } from './scored-data.ts';

/**
 * One training of `bench -- resume`, in a process that can be killed: `resume-trainer.ts <candidate> <folder>`. It says each
 * epoch once its checkpoint is on disk, goes on from the last one, and says at its end the digest of what it has learned.
 */
const [name = '', folder = ''] = process.argv.slice(2);
const model = candidates[name];
if (!model) throw new Error(`There is no candidate ${name}`);

const table = readTable(sampleData('wine'));
const parsed = parseTrainingSpec({
  inputFeatures: table.columns.slice(0, -1).map((column) => ({ name: column.name, type: 'number' })),
  outputFeatures: [{ name: table.columns.at(-1)!.name, type: 'category' }],
  split: { seed: 3 },
  ...model,
});
if (parsed.type === 'invalid') throw new Error(JSON.stringify(parsed.problems));

const file = path.join(folder, `${name}.checkpoint`);
const outcome = await train({
  table,
  spec: parsed.spec,
  backend: await selectBackend({ prefer: 'cpu' }),
  checkpoint: {
    isDue: () => true,
    load: () => fs.readFile(file).catch(() => null),
    async save(bytes) {
      await fs.writeFile(`${file}.partial`, bytes);
      await fs.rename(`${file}.partial`, file);
    },
  },
  onEvent(event) {
    if (event.type === 'checkpoint-ignored') throw new Error(event.reason);
    if (event.type === 'checkpoint') console.log(`epoch ${event.epoch}`);
  },
});
if (outcome.type !== 'trained' || outcome.failures.length) throw new Error(JSON.stringify(outcome));
console.log(`digest ${digestOf(outcome.trials.map(({ pipeline, metrics, history }) => ({ pipeline, metrics, history: history.map(({ loss, valLoss }) => [loss, valLoss]) })))}`);

/** Of plain data with typed arrays: every bit of them counts. */
function digestOf(value: unknown): string {
  const bits = (_key: string, part: unknown): unknown =>
    ArrayBuffer.isView(part) ? Buffer.from(part.buffer, part.byteOffset, part.byteLength).toString('base64') : part;
  return createHash('sha256').update(JSON.stringify(value, bits)).digest('hex');
}

import { existsSync, readFileSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { parseTrainingSpec } from '@millrace/configuration';
import { importTable, readTable } from '@millrace/datasets';
import { selectBackend, train } from '@millrace/learning';
import { repositoryRoot } from '@millrace/testkit';

const folder = path.join(repositoryRoot, '../shared/data');
const archive = path.join(folder, 'digits_png.zip');

/**
 * `npm run bench -- images [settings as JSON] [trainer as JSON]`: accuracy of the family `convolutional` on the folds of
 * digits_png.zip, from the archive through the import, beside what other programs reach there.
 */
export async function benchImages([settings = '{}', trainer = '{}']: string[]): Promise<void> {
  if (!existsSync(archive)) {
    console.warn(`SKIPPED: ${archive} is not here.`);
    return;
  }
  const parsed = parseTrainingSpec({
    inputFeatures: [{ name: 'image', type: 'image' }],
    outputFeatures: [{ name: 'label', type: 'category' }],
    models: [{ family: 'convolutional', imageSize: 16, ...(JSON.parse(settings) as object) }],
    trainer: { epochs: 40, ...(JSON.parse(trainer) as object) },
    selection: { metric: 'accuracy' },
  });
  if (parsed.type === 'invalid') throw new Error(JSON.stringify(parsed.problems));
  const file = path.join(os.tmpdir(), `millrace-bench-images-${process.pid}.parquet`);
  try {
    const imported = await importTable({ sourcePath: archive, targetPath: file });
    if (imported.type === 'rejected') throw new Error(JSON.stringify(imported.problems));
    const { rows, columns } = await readTable<'image' | 'category' | 'text'>(file, [{ name: 'image', type: 'image' }, { name: 'label', type: 'category' }, { name: 'path', type: 'text' }]);
    const pictures = { name: 'image', type: 'image' as const, values: columns[0]!.values as Uint8Array[] };
    const label = { name: 'label', type: 'category' as const, values: columns[1]!.values as string[] };
    const foldOf = new Map(readFileSync(path.join(folder, 'folds/digits_png.txt'), 'utf8').trim().split('\n').map((line) => line.split(' ') as [string, string]));
    const folds = [...new Set(foldOf.values())].sort();
    const backend = await selectBackend({ prefer: 'wasm' });
    const scores: number[] = [];
    for (const fold of folds) {
      const testRows = Int32Array.from((columns[2]!.values as string[]).flatMap((name, row) => (foldOf.get(name) === fold ? [row] : [])));
      const outcome = await train({ table: { rows, columns: [label], pictures }, spec: parsed.spec, backend, testRows });
      if (outcome.type !== 'trained') throw new Error(JSON.stringify(outcome));
      const { accuracy } = outcome.trials[0]!.metrics.test as { accuracy: number };
      scores.push(accuracy);
      console.log(`fold ${fold}: ${accuracy.toFixed(4)}`);
    }
    const mean = scores.reduce((sum, score) => sum + score, 0) / scores.length;
    const deviation = Math.sqrt(scores.reduce((sum, score) => sum + (score - mean) ** 2, 0) / scores.length);
    console.log(`digits_png, accuracy: convolutional ${mean.toFixed(4)} ± ${deviation.toFixed(4)}`);
    for (const line of baselinesOf('digits_png')) console.log(line);
  } finally {
    rmSync(file, { force: true });
  }
}

/** The table of other programs' figures, of the section about pictures: its head and the line of the data set. */
function baselinesOf(name: string): string[] {
  const file = path.join(folder, 'baselines.md');
  const section = existsSync(file) ? readFileSync(file, 'utf8').split(/^## /m).find((one) => one.startsWith('Images')) : undefined;
  return section?.split('\n').filter((line) => line.startsWith('| data') || line.startsWith(`| ${name} `)) ?? ['No figures of other programs are here.'];
}

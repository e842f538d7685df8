import type { OptimisationStep } from '@millrace/configuration';
import type { LossInterval } from '@millrace/learning';
import { type Agreement, checkRows, type LoadedModel, loadModel, type ModelPackage } from '@millrace/packaging';
import { median } from './median.ts';

/** As callers send it. */
export type SentRow = Record<string, number | string | string[] | null | { b64: string }>;

interface Line {
  name: string;
  /** none: the base */
  steps: OptimisationStep[];
  interval: LossInterval | null;
  before: ModelPackage;
  after: ModelPackage;
  rows: SentRow[];
}

/** One row of the table: what is left of size and time, as ratios to the base, measured by turns. */
export async function printLine({ name, steps, interval, before, after, rows }: Line, compare: (own: LoadedModel) => Promise<Agreement>): Promise<void> {
  const [old, own] = [await loadModel(before.files), await loadModel(after.files)];
  try {
    const [one, many] = [await compareTimes(old, own, rows.slice(0, 1)), await compareTimes(old, own, Array.from({ length: 64 }, (_, at) => rows[at % rows.length]!))];
    const agreement = await compare(own);
    const ratio = (value: number): string => value.toFixed(2);
    const cells = [
      name, describeSteps(steps), after.sizeBytes, ratio(after.sizeBytes / before.sizeBytes), ratio(after.gzipBytes / before.gzipBytes), ratio(one), ratio(many),
      interval ? `${interval.loss.toFixed(2)} (${interval.lower.toFixed(2)} to ${interval.upper.toFixed(2)})` : '', `${agreement.type === 'agrees' ? '' : 'DIFFER '}${agreement.maxDifference.toExponential(1)}`,
    ];
    console.log(`| ${cells.join(' | ')} |`);
  } finally {
    await Promise.all([old.close(), own.close()]);
  }
}

export const describeSteps = (steps: readonly OptimisationStep[]): string =>
  steps.map(({ method, ...rest }) => [method, ...Object.entries(rest).filter(([key]) => key !== 'temperature' && key !== 'teacherShare').map(([, value]) => (Array.isArray(value) ? value.join('-') : value))].join(' ')).join(', ') || 'base';

export function checkedRows(model: LoadedModel, rows: SentRow[]) {
  const result = checkRows(model.signature, rows);
  if (result.type === 'invalid') throw new Error(JSON.stringify(result.problems.slice(0, 3)));
  return result.rows;
}

export async function appraisePackage({ files, sizeBytes, gzipBytes }: ModelPackage, rows: SentRow[]) {
  const model = await loadModel(files);
  try {
    const row = checkedRows(model, rows.slice(0, 1));
    return { predTimeMsP50: median(await timesOf([model], row, 300).then(([own]) => own!)), sizeBytes, sizeGzBytes: gzipBytes };
  } finally {
    await model.close();
  }
}

/** The new model's median time as a share of the old one's. */
async function compareTimes(before: LoadedModel, after: LoadedModel, rows: SentRow[]): Promise<number> {
  const [old, own] = await timesOf([before, after], null, rows.length === 1 ? 600 : 150, rows);
  return median(own!) / median(old!);
}

/** By turns, so that what else this machine does falls on all alike. */
async function timesOf(models: LoadedModel[], ready: ReturnType<typeof checkedRows> | null, rounds: number, rows: SentRow[] = []): Promise<number[][]> {
  const inputs = models.map((model) => ready ?? checkedRows(model, rows));
  const times = models.map(() => [] as number[]);
  for (let round = 0; round < rounds; round++) {
    for (const [index, model] of models.entries()) {
      const begun = performance.now();
      await model.predict(inputs[index]!);
      times[index]!.push(performance.now() - begun);
    }
  }
  return times;
}

import { checkRows, type LoadedModel } from '@millrace/packaging';

const timedPredictions = 50;

/** The median time of predicting one row, in milliseconds; null where there is no row that fits. */
export async function timeOneRow(model: LoadedModel, row: Record<string, unknown> | undefined): Promise<number | null> {
  if (!row) return null;
  const checked = checkRows(model.signature, [row]);
  if (checked.type === 'invalid') return null;
  const times: number[] = [];
  for (let i = 0; i < timedPredictions; i++) {
    const begun = performance.now();
    await model.predict(checked.rows);
    times.push(performance.now() - begun);
  }
  return times.sort((a, b) => a - b)[timedPredictions >> 1]!;
}

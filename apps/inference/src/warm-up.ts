import { checkRows, inventRows, type LoadedModel, type Prediction, type Signature } from '@millrace/packaging';

/** A slow model is not kept from its callers for long. */
const patienceMs = 500;

/**
 * Has a model predict rows within its ranges before it gets requests: the first calls of a graph are its slowest. Tells whether
 * requests may be run together: only where the kind of model has an answer for each row alone, and where these rows got the same answers
 * alone and together, to the last bit. Engines choose other ways of adding up for other numbers of rows on some processors.
 */
export async function warmUp(model: LoadedModel, now: () => number = () => performance.now()): Promise<{ isJoinable: boolean }> {
  const invented = inventRows(model.signature);
  const until = now() + patienceMs;
  try {
    // As many as batches have: twice the rows, and twice that again.
    const many = Array.from({ length: 8 }, () => invented).flat();
    const alone = await predictAlone(model, invented, () => now() > until);
    if (alone.length < invented.length || !isRowByRow(model.signature)) return { isJoinable: false };
    const expected = JSON.stringify(alone);
    for (const rows of [invented, many]) {
      const together = await predict(model, rows);
      for (let from = 0; from < rows.length; from += alone.length) {
        if (JSON.stringify(together.slice(from, from + alone.length)) !== expected) return { isJoinable: false };
      }
    }
    return { isJoinable: true };
  } catch {
    return { isJoinable: false }; // rows made up may be too strange for it; those of callers are seen one by one
  }
}

/** Forecasts and recommendations look at more than the row; pictures take long each, and gain nothing. */
const isRowByRow = ({ task, inputs, graph }: Signature): boolean =>
  task !== 'forecasting' && task !== 'recommendation' && graph.rowsPerCall > 1 && !inputs.some(({ type }) => type === 'image' || type === 'list');

async function predictAlone(model: LoadedModel, rows: readonly unknown[], isOver: () => boolean): Promise<Prediction[]> {
  const predictions: Prediction[] = [];
  for (const row of rows) {
    if (isOver()) break;
    predictions.push(...(await predict(model, [row])));
  }
  return predictions;
}

function predict(model: LoadedModel, rows: unknown[]): Promise<Prediction[]> {
  const checked = checkRows(model.signature, rows);
  if (checked.type === 'invalid') throw new Error('rows within the ranges of a model do not fit it');
  return model.predict(checked.rows);
}

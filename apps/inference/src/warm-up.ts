import { checkRows, inventRows, type LoadedModel, type Prediction } from '@millrace/packaging';

/** A slow model is not kept from its callers for long. */
const patienceMs = 500;
/** Rows in the calls that are tried: a few, an odd number, as many as batches often have, and as they have at most unless an endpoint says otherwise. */
const triedSizes = [3, 8, 64, 1024] as const;

/**
 * Has a model predict rows within its ranges before it gets requests: the first calls of a graph are its slowest. Tells whether
 * requests may be run together: only where these rows got the same answers alone and together, to the last bit, and a call takes
 * more than one row at all. Engines choose other ways of adding up for other numbers of rows on some processors.
 * `msPerCall` is what a call with one row took at best; 0 where none was answered.
 */
export async function warmUp(model: LoadedModel, now: () => number = () => performance.now()): Promise<{ isJoinable: boolean; msPerCall: number }> {
  const invented = inventRows(model.signature);
  const { rowsPerCall } = model.signature.graph;
  const begun = now();
  const left = (): number => patienceMs - (now() - begun);
  let best = Infinity;
  const outcome = (isJoinable: boolean) => ({ isJoinable, msPerCall: Number.isFinite(best) ? best : 0 });
  try {
    const alone: Prediction[] = [];
    for (const row of invented) {
      if (left() < 0) return outcome(false);
      const asked = now();
      alone.push(...(await predict(model, [row])));
      best = Math.min(best, now() - asked);
    }
    const msPerRow = (now() - begun) / invented.length;
    // More rows than one call takes would be run apart in any case.
    const sizes = [...new Set(triedSizes.map((size) => Math.min(size, rowsPerCall)))].filter((size) => size > 1 && size * msPerRow < left());
    const texts = alone.map((one) => JSON.stringify(one));
    for (const size of sizes) {
      const places = Array.from({ length: size }, (_, at) => at % invented.length);
      const together = await predict(model, places.map((at) => invented[at]));
      if (!together.every((one, at) => JSON.stringify(one) === texts[places[at]!])) return outcome(false);
    }
    return outcome(sizes.length > 0);
  } catch {
    return outcome(false); // rows made up may be too strange for it; those of callers are seen one by one
  }
}

function predict(model: LoadedModel, rows: unknown[]): Promise<Prediction[]> {
  const checked = checkRows(model.signature, rows);
  if (checked.type === 'invalid') throw new Error('rows within the ranges of a model do not fit it');
  return model.predict(checked.rows);
}

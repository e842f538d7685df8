import { checkRows, inventRows, type LoadedModel, type Prediction } from '@millrace/packaging';

/** A slow model is not kept from its callers for long, */
const patienceMs = 500;
/** and no call that is tried holds those of others longer than one for callers does. */
const longestCallMs = 25;
/** Rows in the calls that are tried: a few, an odd number, as many as batches often have, and as they have at most unless an endpoint says otherwise. */
const triedSizes = [3, 8, 64, 1024] as const;

export interface WarmUpOptions {
  /** as soon as it is clear that a call with one row takes so long, nothing else is tried: the model is to run elsewhere */
  tooLongMs?: number;
  now?: () => number;
}

export interface WarmUp {
  /** whether requests may be run together */
  isJoinable: boolean;
  /** what a call with one row took at best; 0 where none was answered */
  msPerCall: number;
}

/**
 * Has a model predict rows within its ranges before it gets requests: the first calls of a graph are its slowest. Requests may be
 * run together only where these rows got the same answers alone and together, to the last bit, and a call takes
 * more than one row at all. Engines choose other ways of adding up for other numbers of rows on some processors.
 */
export async function warmUp(model: LoadedModel, { tooLongMs = Infinity, now = () => performance.now() }: WarmUpOptions = {}): Promise<WarmUp> {
  const invented = inventRows(model.signature);
  const { rowsPerCall } = model.signature.graph;
  const begun = now();
  const left = (): number => patienceMs - (now() - begun);
  let best = Infinity;
  const outcome = (isJoinable: boolean) => ({ isJoinable, msPerCall: Number.isFinite(best) ? best : 0 });
  try {
    const alone: Prediction[] = [];
    for (const row of invented) {
      if (left() < 0 || (alone.length > 1 && best >= tooLongMs)) return outcome(false);
      const asked = now();
      alone.push(...(await predict(model, [row])));
      best = Math.min(best, now() - asked);
    }
    const texts = alone.map((one) => JSON.stringify(one));
    let msPerRow = (now() - begun) / invented.length;
    let tried = 1;
    for (const wanted of triedSizes) {
      // More rows than one call takes, by their number or by their time, would be run apart in any case.
      const size = Math.min(wanted, rowsPerCall, Math.floor(longestCallMs / msPerRow));
      if (size <= tried || size * msPerRow >= left()) break;
      const places = Array.from({ length: size }, (_, at) => at % invented.length);
      const asked = now();
      const together = await predict(model, places.map((at) => invented[at]));
      msPerRow = Math.min(msPerRow, (now() - asked) / size);
      if (!together.every((one, at) => JSON.stringify(one) === texts[places[at]!])) return outcome(false);
      tried = size;
    }
    return outcome(tried > 1);
  } catch {
    return outcome(false); // rows made up may be too strange for it; those of callers are seen one by one
  }
}

function predict(model: LoadedModel, rows: unknown[]): Promise<Prediction[]> {
  const checked = checkRows(model.signature, rows);
  if (checked.type === 'invalid') throw new Error('rows within the ranges of a model do not fit it');
  return model.predict(checked.rows);
}

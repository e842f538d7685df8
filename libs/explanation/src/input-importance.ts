import { type LoadedModel, mixRows, type Prediction, type ValidatedRows } from '@millrace/packaging';
import { createRandom, permutation } from './seeded-random.ts';

/** How much worse a model answers when one input is shuffled among the rows. */
export interface InputImportance {
  /** `log_loss` in nats, or `rmse` in the unit of the target */
  measure: 'log_loss' | 'rmse';
  /** on the rows as they are */
  baseline: number;
  rows: number;
  repeats: number;
  /** in the order of the signature; increases below 0 are chance */
  inputs: { name: string; increase: number; standardError: number }[];
}

const repeats = 3;
/** Calls of the graph for all of it; each takes some tens of milliseconds at most. */
const mostCalls = 60;
const rowRange = { fewest: 20, most: 500 };

/** On how many rows the importance of a model's inputs is measured, for what it costs: 0 where it would cost too much. */
export function rowsForImportance({ inputs, graph }: LoadedModel['signature']): number {
  const affordable = Math.floor((mostCalls * graph.rowsPerCall) / (inputs.length * repeats));
  return affordable < rowRange.fewest ? 0 : Math.min(rowRange.most, affordable);
}

/**
 * Permutation importance: by how much the loss on held-out rows rises when the values of one input are dealt out anew among them
 * (Breiman, Random Forests, 2001; Fisher, Rudin & Dominici, All Models are Wrong, but Many are Useful, JMLR 2019). The same
 * rows give the same numbers.
 * @param truths by row: the label, or the value
 */
export async function importanceOfInputs(model: Pick<LoadedModel, 'signature' | 'predict'>, rows: ValidatedRows, truths: readonly (string | number)[]): Promise<InputImportance> {
  const { inputs, output } = model.signature;
  const measure = output.classes ? 'log_loss' : 'rmse';
  const lossOf = async (of: ValidatedRows) => meanLoss(await model.predict(of), truths, output.classes ?? null);
  const baseline = await lossOf(rows);
  const random = createRandom(Uint32Array.of(rows.count, inputs.length, repeats, 0x696d70));
  const found = [];
  for (const [place, { name }] of inputs.entries()) {
    const kept = new Uint8Array(inputs.length).fill(1).fill(0, place, place + 1);
    const increases = [];
    for (let repeat = 0; repeat < repeats; repeat++) {
      const order = permutation(rows.count, random);
      increases.push((await lossOf(mixRows(model.signature, rows, rows, Array.from(order, (reference, row) => ({ kept, row, reference }))))) - baseline);
    }
    const increase = increases.reduce((sum, value) => sum + value, 0) / repeats;
    const variance = increases.reduce((sum, value) => sum + (value - increase) ** 2, 0) / (repeats - 1);
    found.push({ name, increase, standardError: Math.sqrt(variance / repeats) });
  }
  return { measure, baseline, rows: rows.count, repeats, inputs: found };
}

/** A probability of 0 for what happened would be an endless loss. */
const leastProbability = 1e-6;

function meanLoss(predictions: readonly Prediction[], truths: readonly (string | number)[], classes: readonly string[] | null): number {
  const losses = predictions.map((prediction, row) => {
    const truth = truths[row]!;
    if ('probabilities' in prediction) return -Math.log(Math.max(leastProbability, prediction.probabilities[classes!.indexOf(String(truth))] ?? 0));
    return 'value' in prediction ? (prediction.value - Number(truth)) ** 2 : NaN;
  });
  const mean = losses.reduce((sum, loss) => sum + loss, 0) / losses.length;
  return classes ? mean : Math.sqrt(mean);
}

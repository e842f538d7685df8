import { DomainError } from '@millrace/kernel';
import type { ValidatedRows } from './validated-rows.ts';
import { type GraphInput, type GraphInputs, type GraphRunner, openGraph } from './graph-runner.ts';
import { damage, DamagedPackageError, type PackageFiles, verifyPackage } from './model-package.ts';
import type { ModelThread } from './model-threads.ts';
import { rowPlanOf } from './row-plan.ts';
import { graphOutputs, numbersOf, type Signature } from './signature.ts';
import { leftOut } from './write-recommender.ts';

/** What a model says about one row. `probabilities` are in the order of the signature's classes. */
export type Prediction = ({ label: string; probabilities: number[] } | NumberPrediction | ItemsPrediction) & {
  /** of a model with heads: whether one of them answered */
  personalised?: boolean;
};

/** Best first; fewer than the signature's count where more is left out. */
export interface ItemsPrediction {
  items: string[];
  scores: number[];
}

export interface NumberPrediction {
  value: number;
  /** that the truth is to lie in, in the share of cases that the signature states */
  interval?: { lower: number; upper: number };
  /** of a survival model: the probability to live beyond the horizon, and which that is */
  survival?: number;
  horizon?: number;
  /** of an anomaly detection, whose value is the score; contributions are in the order of the signature's inputs */
  anomaly?: { isAnomaly: boolean; contributions?: number[] };
}

/** A package in memory, ready to predict. Safe to call from many requests at once. */
export interface LoadedModel {
  readonly signature: Signature;
  /** SHA-256 of the package's manifest */
  readonly digest: string;
  /** what it takes: by how much the process grew when it was loaded, at least the size of its graph; an estimate, since freed memory is used again */
  readonly memoryBytes: number;
  /** milliseconds for which loading its graph held the thread that it is in */
  readonly openedInMs: number;
  /** whether it is gone, with the thread that it was in: it has to be loaded anew */
  readonly isLost: boolean;
  /**
   * One prediction per row, in order. Rejects with `DomainError`: `UNAVAILABLE` after `close`, `INVALID` for rows that
   * were checked against another signature and for rows whose prediction is not a finite number.
   * @param from the first row to predict, and `to` the one after the last: all rows if left out
   */
  predict(rows: ValidatedRows, from?: number, to?: number): Promise<Prediction[]>;
  /** Takes no more calls, lets those under way finish, and frees the memory. May be called twice. */
  close(): Promise<void>;
}

export interface LoadOptions {
  /** threads for one call; 1 unless told: a server gains more from several calls side by side */
  threads?: number;
  /** where its calls are made; they hold this thread if left out */
  thread?: ModelThread;
  /** the package's digest as noted at publication, to refuse a package that was exchanged as a whole */
  digest?: string;
  /** the public key that must have signed it; see `verifyPackage` */
  signer?: string;
}

/** Verifies a package and loads it into ONNX Runtime. Throws `DamagedPackageError` rather than load a changed one. */
export async function loadModel(files: PackageFiles, options: LoadOptions = {}): Promise<LoadedModel> {
  const { digest: noted, signer } = options;
  const verified = await verifyPackage(files, { ...(noted === undefined ? {} : { digest: noted }), ...(signer === undefined ? {} : { signer }) });
  if (verified.type === 'damaged') throw new DamagedPackageError(verified.problems);
  const { signature, digest } = verified;
  const graph = files.get('model.onnx')!;
  const runner = await open(graph, options);
  const complaint = compareGraph(runner, signature);
  if (complaint !== null) {
    await runner.release();
    throw new DamagedPackageError([damage('graph_mismatch', 'model.onnx', complaint)]);
  }
  const memoryBytes = Math.max(graph.length, Math.min(runner.grownBy, mostGrowth * graph.length));
  return serve(runner, { signature, digest, memoryBytes, openedInMs: runner.openedInMs }, () => options.thread?.isLost ?? false);
}

/** Models were measured to take up to six times their graph (a forest); what goes far beyond was somebody else's. */
const mostGrowth = 12;

async function open(graph: Uint8Array, { threads = 1, thread }: LoadOptions): Promise<GraphRunner> {
  try {
    return await (thread ? thread.open(graph, threads) : openGraph(graph, threads));
  } catch (cause) {
    if (thread?.isLost) throw cause;
    throw new DamagedPackageError([damage('invalid_graph', 'model.onnx', 'cannot be loaded by ONNX Runtime.')], cause);
  }
}

/** Digests prove that the files belong together, not that they were well made: graph and signature must agree. */
function compareGraph(runner: GraphRunner, signature: Signature): string | null {
  const numbers = signature.inputs.reduce((sum, input) => sum + numbersOf(input), 0);
  const others = signature.inputs.filter((input) => input.categories).length;
  const lists = signature.inputs.filter((input) => input.type === 'list');
  const expected = {
    inputs: [
      ...signature.inputs.flatMap((input) => (input.type === 'image' ? [`image uint8 ${input.height} ${input.width} ${input.channels}`] : [])),
      ...(numbers > 0 ? [`numbers float64 ${numbers}`] : []),
      ...(others > 0 ? [`categories string ${others}`] : []),
      ...lists.map(({ name }) => `${name} string M`),
    ],
    outputs: outputsOf(signature),
  };
  const found = { inputs: runner.inputs, outputs: runner.outputs };
  if (JSON.stringify(found) === JSON.stringify(expected)) return null;
  return `has ${JSON.stringify(found)}, but the signature wants ${JSON.stringify(expected)}.`;
}

function outputsOf(signature: Signature): string[] {
  const { output, anomaly, inputs } = signature;
  if (anomaly) return ['score float64 1', 'isAnomaly bool 1', ...(anomaly.hasContributions ? [`contributions float64 ${inputs.length}`] : [])];
  if (output.type === 'items') return [`items string ${output.count}`, `scores float32 ${output.count}`];
  return [
    ...(output.type === 'number' ? ['prediction float64 1'] : ['label string', `probabilities float32 ${output.classes.length}`]),
    ...graphOutputs(signature).map((name) => `${name} float64 1`),
  ];
}

function serve(runner: GraphRunner, facts: Pick<LoadedModel, 'signature' | 'digest' | 'memoryBytes' | 'openedInMs'>, isLost: () => boolean): LoadedModel {
  const { signature } = facts;
  const { layout } = rowPlanOf(signature);
  const numberCount = signature.inputs.reduce((sum, input) => sum + numbersOf(input), 0);
  const categoryCount = signature.inputs.filter((input) => input.categories).length;
  const list = signature.inputs.find((input) => input.type === 'list');
  const image = signature.inputs.find((input) => input.type === 'image');
  const { rowsPerCall, missingCategory } = signature.graph;
  const { output } = signature;
  const classes = signature.output.classes?.length ?? 0;
  const halfWidth = signature.output.type === 'number' ? signature.output.interval?.halfWidth : undefined;
  let closing: Promise<void> | undefined;
  let calls = 0;
  let onIdle: (() => void) | undefined;

  const run = async (rows: ValidatedRows, start: number, end: number, predictions: Prediction[]): Promise<void> => {
    const count = end - start;
    const feeds: GraphInputs = {};
    const isWhole = count === rows.count;
    if (numberCount > 0) {
      const cells = isWhole ? rows.numbers : rows.numbers.subarray(start * numberCount, end * numberCount);
      feeds['numbers'] = { type: 'float64', data: cells, dims: [count, numberCount] };
    }
    if (categoryCount > 0) {
      const cells = isWhole ? rows.categories : rows.categories.slice(start * categoryCount, end * categoryCount);
      feeds['categories'] = { type: 'string', data: cells, dims: [count, categoryCount] };
    }
    if (list) feeds[list.name] = listInput(rows.lists.slice(start, end), missingCategory);
    if (image) {
      const { height, width, channels } = image;
      const size = height * width * channels;
      feeds['image'] = { type: 'uint8', data: rows.pixels.subarray(start * size, end * size), dims: [count, height, width, channels] };
    }
    const outputs = await runner.run(feeds);
    if (output.type === 'items') {
      predictions.push(...itemsOf(outputs['items']!.data as string[], outputs['scores']!.data as Float32Array, output.count));
      return;
    }
    if (signature.anomaly) {
      const { score, isAnomaly, contributions } = outputs;
      const parts = contributions && (contributions.data as Float64Array);
      const width = signature.inputs.length;
      for (let row = 0; row < count; row++) {
        const own = parts && Array.from(parts.subarray(row * width, (row + 1) * width), (part) => finite(part, start + row));
        predictions.push({
          value: finite((score!.data as Float64Array)[row]!, start + row),
          anomaly: { isAnomaly: Boolean((isAnomaly!.data as Uint8Array)[row]), ...(own ? { contributions: own } : {}) },
        });
      }
      return;
    }
    const personalised = outputs['personalised']?.data as Float64Array | undefined;
    const mark = (row: number) => (personalised ? { personalised: personalised[row] === 1 } : {});
    if (classes === 0) {
      const values = outputs['prediction']!.data as Float64Array;
      assertLength('prediction', values.length, count);
      const lower = outputs['lower']?.data as Float64Array | undefined;
      const upper = outputs['upper']?.data as Float64Array | undefined;
      const survival = outputs['survival']?.data as Float64Array | undefined;
      /** what the row asked for, the last of its numbers, or the usual one */
      const horizonOf = (row: number): number => {
        const asked = rows.numbers[(start + row + 1) * numberCount - 1]!;
        return Number.isNaN(asked) ? signature.survival!.horizon : asked;
      };
      for (let row = 0; row < count; row++) {
        const value = finite(values[row]!, start + row);
        if (lower && upper) {
          const interval = { lower: finite(lower[row]!, start + row), upper: finite(upper[row]!, start + row) };
          predictions.push(survival ? { value, interval, survival: finite(survival[row]!, start + row), horizon: horizonOf(row) } : { value, interval });
        } else {
          const answer = halfWidth === undefined ? { value } : { value, interval: { lower: value - halfWidth, upper: value + halfWidth } };
          predictions.push(personalised ? { ...answer, ...mark(row) } : answer);
        }
      }
      return;
    }
    const labels = outputs['label']!.data as string[];
    const scores = outputs['probabilities']!.data as Float32Array;
    assertLength('label', labels.length, count);
    assertLength('probabilities', scores.length, count * classes);
    for (let row = 0; row < count; row++) {
      const probabilities = new Array<number>(classes);
      for (let index = 0; index < classes; index++) {
        probabilities[index] = finite(scores[row * classes + index]!, start + row);
      }
      predictions.push(personalised ? { label: labels[row]!, probabilities, ...mark(row) } : { label: labels[row]!, probabilities });
    }
  };

  const predict = async (rows: ValidatedRows, from = 0, to = rows.count): Promise<Prediction[]> => {
    if (closing !== undefined) {
      throw new DomainError('UNAVAILABLE', 'The model has been unloaded.', { remedy: 'Load the model again.' });
    }
    if (rows.layout !== layout) {
      throw new DomainError('INVALID', 'The rows were checked against the signature of another model.', {
        field: 'rows',
        remedy: 'Check the rows against the signature of the model that is to predict.',
      });
    }
    calls += 1;
    try {
      const predictions: Prediction[] = [];
      // Each call of the graph holds the thread, so a large request goes in parts and others come in between.
      for (let start = from; start < to; start += rowsPerCall) {
        await run(rows, start, Math.min(start + rowsPerCall, to), predictions);
      }
      return predictions;
    } finally {
      calls -= 1;
      if (calls === 0) onIdle?.();
    }
  };

  const close = (): Promise<void> => {
    closing ??= (async () => {
      if (calls > 0) await new Promise<void>((resolve) => (onIdle = resolve));
      await runner.release();
    })();
    return closing;
  };

  return {
    ...facts,
    get isLost() {
      return isLost();
    },
    predict,
    close,
  };
}

/** The engine doesn't hold what comes out against the shape that the graph declares. */
function assertLength(output: string, found: number, wanted: number): void {
  if (found !== wanted) throw new Error(`the model gives ${found} values of ${output} instead of ${wanted}`);
}

/** Rows of different lengths, filled up with what stands for nothing. */
function listInput(lists: readonly (readonly string[])[], filler: string): GraphInput {
  const width = Math.max(1, ...lists.map(({ length }) => length));
  return { type: 'string', data: lists.flatMap((list) => [...list, ...new Array<string>(width - list.length).fill(filler)]), dims: [lists.length, width] };
}

/** Without the places after the last item that may be recommended. */
function itemsOf(items: readonly string[], scores: Float32Array, count: number): ItemsPrediction[] {
  return Array.from({ length: scores.length / count }, (_, row) => {
    const own = Array.from(scores.subarray(row * count, (row + 1) * count));
    const length = own.filter((score) => score > leftOut).length;
    return { items: items.slice(row * count, row * count + length), scores: own.slice(0, length) };
  });
}

function finite(value: number, row: number): number {
  if (Number.isFinite(value)) return value;
  throw new DomainError('INVALID', `The model has no finite prediction for row ${row}: its numbers are too large.`, {
    field: `rows[${row}]`,
    remedy: 'Send numbers near the range of the training data.',
  });
}

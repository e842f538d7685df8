import type { InferenceSession, Tensor as EngineTensor } from 'onnxruntime-node';

/** What goes into a graph: cells row by row. */
export interface GraphInput {
  type: 'float64' | 'string' | 'uint8';
  data: Float64Array | string[] | Uint8Array;
  dims: number[];
}

export type GraphInputs = Record<string, GraphInput>;
export type GraphOutputs = Record<string, { data: unknown }>;

/** A graph in the memory of an engine. */
export interface GraphRunner {
  /** name, type and the sizes after the number of rows, of each */
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  /** by how many bytes the process grew when it was loaded, and for how many milliseconds that held the thread */
  readonly grownBy: number;
  readonly openedInMs: number;
  /** Calls are made one after another. */
  run(inputs: GraphInputs): Promise<GraphOutputs>;
  release(): Promise<void>;
}

let isStarted: Promise<void> | undefined;

/** Loads a graph into ONNX Runtime, on this thread: a call holds it. @throws what the engine says of a graph that it can't load */
export async function openGraph(graph: Uint8Array, threads: number): Promise<GraphRunner> {
  // With the first model: a program that only lists and signs packages never loads it.
  const { InferenceSession, Tensor } = await import('onnxruntime-node');
  // The engine starts itself with the first session of a thread, be it one that comes to nothing: not a graph's doing.
  await (isStarted ??= InferenceSession.create(new Uint8Array(1)).then(() => undefined, () => undefined));
  const before = process.memoryUsage.rss();
  const begun = performance.now();
  const session = await InferenceSession.create(graph, {
    executionProviders: ['cpu'],
    executionMode: 'sequential',
    graphOptimizationLevel: 'all',
    intraOpNumThreads: threads,
    interOpNumThreads: 1,
    logSeverityLevel: 3,
  });
  return {
    inputs: session.inputMetadata.map(tensorText),
    outputs: session.outputMetadata.map(tensorText),
    grownBy: process.memoryUsage.rss() - before,
    openedInMs: performance.now() - begun,
    run(inputs) {
      const feeds: Record<string, EngineTensor> = {};
      for (const name in inputs) {
        const { type, data, dims } = inputs[name]!;
        feeds[name] = new Tensor(type as 'float64', data as Float64Array, dims);
      }
      return session.run(feeds);
    },
    release: () => session.release(),
  };
}

function tensorText(tensor: InferenceSession.ValueMetadata): string {
  return tensor.isTensor ? [tensor.name, tensor.type, ...tensor.shape.slice(1)].join(' ') : tensor.name;
}

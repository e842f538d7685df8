import { parentPort } from 'node:worker_threads';
import { type GraphInputs, type GraphRunner, openGraph } from './graph-runner.ts';

/** What a thread is told; each is answered with `ThreadAnswer` under the same number. */
export type ThreadOrder = { order: number; graph: number } & ({ type: 'open'; bytes: Uint8Array; threads: number } | { type: 'run'; inputs: GraphInputs } | { type: 'release' });

export interface ThreadAnswer {
  order: number;
  result?: unknown;
  error?: string;
}

/** A thread that holds graphs and runs them, one call after another: see `model-threads.ts`. */
const graphs = new Map<number, GraphRunner>();

async function follow(told: ThreadOrder): Promise<unknown> {
  if (told.type === 'open') {
    const opened = await openGraph(told.bytes, told.threads);
    graphs.set(told.graph, opened);
    return { inputs: opened.inputs, outputs: opened.outputs, grownBy: opened.grownBy, openedInMs: opened.openedInMs };
  }
  const runner = graphs.get(told.graph)!;
  if (told.type === 'release') {
    graphs.delete(told.graph);
    return runner.release();
  }
  const outputs = await runner.run(told.inputs);
  // A tensor of the engine is more than its cells, and cannot go to another thread.
  return Object.fromEntries(Object.entries(outputs).map(([name, { data }]) => [name, { data }]));
}

parentPort!.on('message', (told: ThreadOrder | 'end') => {
  if (told === 'end') return parentPort!.close();
  void follow(told).then(
    (result) => parentPort!.postMessage({ order: told.order, result } satisfies ThreadAnswer),
    (error: unknown) => parentPort!.postMessage({ order: told.order, error: error instanceof Error ? error.message : String(error) } satisfies ThreadAnswer),
  );
});
parentPort!.postMessage('ready');

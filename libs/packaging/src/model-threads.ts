import { once } from 'node:events';
import type { Worker } from 'node:worker_threads';
import { startThread } from '@millrace/kernel';
import { copyByPieces } from './copy-by-pieces.ts';
import type { GraphInputs, GraphOutputs, GraphRunner } from './graph-runner.ts';
import type { ThreadAnswer, ThreadOrder } from './model-thread.ts';

/** Where models run that would hold the thread of a server for long. It starts with its first model. */
export interface ModelThread {
  /** whether it has ended by a fault: models in it are gone, and it takes no others */
  readonly isLost: boolean;
  /** that it holds */
  readonly graphs: number;
  /** Loads a graph. @throws what the engine says of a graph that it can't load, and once it is lost or closed */
  open(graph: Uint8Array, threads: number): Promise<GraphRunner>;
  /** Ends it with all that is in it. May be called twice. */
  close(): Promise<void>;
}

/** How an order is told before it has its number. */
type Order = ThreadOrder extends infer Each ? (Each extends ThreadOrder ? Omit<Each, 'order'> : never) : never;

interface Waiting {
  resolve(result: unknown): void;
  reject(error: Error): void;
}

export interface ModelThreads {
  /** the one with the fewest models: a new one as long as there may be more */
  next(): ModelThread;
  close(): Promise<void>;
}

/** @param most threads at a time, at least 1; each is started when there is a model for it. In a bundle, `model-thread.js` must lie beside the program. */
export function createModelThreads(most: number): ModelThreads {
  let all: { thread: ModelThread; /** how many it had when it was last given away: a graph is on its way there while that is so */ givenAt: number | null }[] = [];
  const load = ({ thread, givenAt }: (typeof all)[number]): number => thread.graphs + (givenAt === thread.graphs ? 1 : 0);
  return {
    next() {
      all = all.filter(({ thread }) => !thread.isLost);
      let idlest = all.reduce<(typeof all)[number] | null>((least, one) => (least && load(least) <= load(one) ? least : one), null);
      if (!idlest || (load(idlest) > 0 && all.length < most)) all.push((idlest = { thread: createModelThread(), givenAt: null }));
      idlest.givenAt = idlest.thread.graphs;
      return idlest.thread;
    },
    close: async () => void (await Promise.all(all.map(({ thread }) => thread.close()))),
  };
}

function createModelThread(): ModelThread {
  const waiting = new Map<number, Waiting>();
  let worker: Worker | undefined;
  let ended: Error | null = null;
  let isLost = false;
  let hasExited = false;
  let orders = 0;
  /** the number of the last graph, and how many there are */
  let [last, graphs] = [0, 0];

  function end(error: Error): void {
    ended ??= error;
    for (const { reject } of waiting.values()) reject(ended);
    waiting.clear();
  }

  function start(): Worker {
    const started = startThread(import.meta, 'model-thread');
    // It keeps no process alive by itself: whoever has models in it also waits for their answers.
    started.unref();
    started.on('message', (message: 'ready' | ThreadAnswer) => {
      if (message === 'ready') return;
      const { order, result, error } = message;
      const asked = waiting.get(order);
      waiting.delete(order);
      if (!waiting.size && !ended) started.unref();
      if (error === undefined) asked?.resolve(result);
      else asked?.reject(new Error(error));
    });
    const lose = (why: string): void => {
      isLost = ended === null || isLost;
      end(new Error(`The thread of the model has ended: ${why}`));
    };
    started.on('error', (error) => lose(error.message));
    started.on('exit', (code) => {
      hasExited = true;
      lose(`exit code ${code}`);
    });
    return started;
  }

  /** @param given what goes there instead of being copied */
  function send<Result>(order: Order, given: ArrayBuffer[] = []): Promise<Result> {
    if (ended) return Promise.reject(ended);
    worker ??= start();
    return new Promise((resolve, reject) => {
      waiting.set(++orders, { resolve: resolve as Waiting['resolve'], reject });
      if (waiting.size === 1) worker!.ref();
      worker!.postMessage({ ...order, order: orders } satisfies ThreadOrder, given);
    });
  }

  return {
    get isLost() {
      return isLost;
    },
    get graphs() {
      return graphs;
    },
    async open(bytes, threads) {
      const graph = ++last;
      graphs += 1;
      try {
        const copy = await copyByPieces(bytes);
        const facts = await send<Omit<GraphRunner, 'run' | 'release'>>({ type: 'open', graph, bytes: copy, threads }, [copy.buffer]);
        return {
          ...facts,
          run: (inputs) => send<GraphOutputs>({ type: 'run', graph, inputs: withOwnCells(inputs) }),
          async release() {
            graphs -= 1;
            // What it held is gone with it, be it meanwhile.
            if (!ended) await send({ type: 'release', graph }).catch((error: unknown) => { if (!ended) throw error; });
          },
        };
      } catch (error) {
        graphs -= 1;
        throw error;
      }
    },
    async close() {
      end(new Error('The thread of the model is closed.'));
      if (!worker || hasExited) return;
      // It ends by itself, after what it computes: an engine that is cut off in a call takes the whole process with it.
      worker.ref();
      const exit = once(worker, 'exit');
      worker.postMessage('end');
      await exit;
    },
  };
}

/** Cells that are a part of something larger are copied: the whole of it would go along otherwise. */
function withOwnCells(inputs: GraphInputs): GraphInputs {
  for (const name in inputs) {
    const input = inputs[name]!;
    const { data } = input;
    if (!Array.isArray(data) && data.byteLength !== data.buffer.byteLength) inputs[name] = { ...input, data: data.slice() };
  }
  return inputs;
}

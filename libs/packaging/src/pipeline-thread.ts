import { parentPort } from 'node:worker_threads';
import { type ReadPipeline, readPipeline } from './read-pipeline.ts';

/** A thread that reads the pipeline of one package: see `read-pipeline-aside.ts`. */
parentPort!.once('message', (files: Map<string, Uint8Array>) => {
  const read = readPipeline(files);
  parentPort!.postMessage(read satisfies ReadPipeline, [...buffersIn(read, new Set())]);
});

/** What can be given away instead of being copied. */
function buffersIn(value: unknown, found: Set<ArrayBuffer>): Set<ArrayBuffer> {
  if (ArrayBuffer.isView(value)) found.add(value.buffer as ArrayBuffer);
  else if (typeof value === 'object' && value !== null) for (const each of Object.values(value)) buffersIn(each, found);
  return found;
}

import { startThread } from '@millrace/kernel';
import { copyByPieces } from './copy-by-pieces.ts';
import type { PackageFiles } from './model-package.ts';
import { type ReadPipeline, readPipeline } from './read-pipeline.ts';

/** The graph of a package below is read in some milliseconds; a large one takes a second for each 30 MB. */
const usualLargeBytes = 256 * 1024;

/**
 * As `readPipeline`, for a server that has others to answer: a large package is read in a thread of its own. In a bundle,
 * `pipeline-thread.js` must lie beside the program. Rejects where the thread ends before it has answered.
 */
export async function readPipelineAside(files: PackageFiles, largeBytes = usualLargeBytes): Promise<ReadPipeline> {
  const model = files.get('model.onnx');
  const signature = files.get('signature.json');
  if (!model || !signature || model.byteLength < largeBytes) return readPipeline(files);
  const copies = [await copyByPieces(model), await copyByPieces(signature)] as const;
  const thread = startThread(import.meta, 'pipeline-thread');
  return new Promise((resolve, reject) => {
    thread.once('message', resolve);
    thread.once('error', reject);
    thread.once('exit', (code) => reject(new Error(`The thread that read a pipeline has ended early: exit code ${code}`)));
    thread.postMessage(new Map([['model.onnx', copies[0]], ['signature.json', copies[1]]]), copies.map(({ buffer }) => buffer));
  });
}

import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { type ResourceLimits, Worker } from 'node:worker_threads';

/**
 * Starts the program that lies beside a module, in a thread of its own. In a bundle it is found beside that, if the bundle
 * has it among its entries; in development it is TypeScript, which a thread has to be taught to read.
 * @param beside `import.meta` of that module
 * @param name of the program, without its extension
 */
export function startThread(beside: { filename: string; dirname: string }, name: string, resourceLimits?: ResourceLimits): Worker {
  const extension = path.extname(beside.filename);
  const file = path.join(beside.dirname, `${name}${extension}`);
  const limits = resourceLimits === undefined ? {} : { resourceLimits };
  if (extension !== '.ts') return new Worker(file, limits);
  const text = `import('tsx/esm/api').then(({ register }) => { register(); return import(${JSON.stringify(pathToFileURL(file).href)}); })`;
  return new Worker(text, { eval: true, ...limits });
}

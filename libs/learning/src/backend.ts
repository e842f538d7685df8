import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import { setWasmPaths } from '@tensorflow/tfjs-backend-wasm';
import { registerWasmKernels } from './wasm-kernels.ts';

export type BackendName = 'cuda' | 'wasm' | 'cpu';

/** Where tensors are computed, and in words why it was chosen; recorded with a run. */
export interface Backend {
  name: BackendName;
  detail: string;
}

const require = createRequire(import.meta.url);
const engineNames = { cuda: 'tensorflow', wasm: 'wasm', cpu: 'cpu' } as const;
const cudaPackage = '@tensorflow/tfjs-node-gpu';
let current: Backend | null = null;

/**
 * Chooses the fastest backend of this machine and makes it current: CUDA if its native library is here and really uses
 * a GPU, then WebAssembly, then plain JavaScript (the reference). `prefer` starts the search further down or insists on
 * trying CUDA first; a backend that cannot be had is passed over and the reason kept in `detail`.
 *
 * `loadCuda` loads the native package; it exists so that a machine with other habits can be described.
 */
export async function selectBackend(
  options: { prefer?: BackendName | undefined; loadCuda?: (() => unknown) | undefined } = {},
): Promise<Backend> {
  // Also keeps the plain JavaScript backend from advertising the native one on the console.
  tf.enableProdMode();
  const order: BackendName[] = ['cuda', 'wasm', 'cpu'];
  const reasons: string[] = [];
  for (const name of order.slice(order.indexOf(options.prefer ?? 'cuda'))) {
    const attempt = await tryBackend(name, options.loadCuda ?? (() => require(cudaPackage)));
    if (attempt.type === 'ready') {
      current = { name, detail: [attempt.detail, ...reasons].join('; ') };
      return current;
    }
    reasons.push(`no ${name}: ${attempt.reason}`);
  }
  throw new Error(`No compute backend works on this machine: ${reasons.join('; ')}`);
}

/** The backend chosen last; chooses one if none was. */
export async function currentBackend(): Promise<Backend> {
  return current ?? selectBackend();
}

/** Makes a backend that was chosen before current again; later tensors are computed there. */
export async function activateBackend(backend: Backend): Promise<void> {
  const name = engineNames[backend.name];
  if (tf.getBackend() !== name && !(await tf.setBackend(name))) {
    throw new Error(`The ${backend.name} backend could not be activated`);
  }
  current = backend;
}

type Attempt = { type: 'ready'; detail: string } | { type: 'absent'; reason: string };

async function tryBackend(name: BackendName, loadCuda: () => unknown): Promise<Attempt> {
  try {
    if (name === 'cuda') return await tryCuda(loadCuda);
    if (name === 'wasm') return await tryWasm();
    if (!(await tf.setBackend('cpu'))) return { type: 'absent', reason: 'it did not start' };
    return { type: 'ready', detail: 'plain JavaScript' };
  } catch (error) {
    return { type: 'absent', reason: reasonOf(error) };
  }
}

async function tryCuda(loadCuda: () => unknown): Promise<Attempt> {
  restoreRemovedNodeFunctions();
  try {
    loadCuda();
  } catch (error) {
    return { type: 'absent', reason: whyCudaDidNotLoad(error) };
  }
  if (!tf.findBackendFactory('tensorflow') || !(await tf.setBackend('tensorflow'))) {
    return { type: 'absent', reason: 'the native library registered no backend' };
  }
  const native = tf.backend() as unknown as { isUsingGpuDevice?: boolean; binding?: { TF_Version?: string } };
  // Without usable CUDA libraries the native backend silently computes on the CPU, where wasm is faster for our sizes.
  if (native.isUsingGpuDevice !== true) {
    return { type: 'absent', reason: 'the native library loaded but found no usable GPU' };
  }
  return { type: 'ready', detail: `CUDA, TensorFlow ${native.binding?.TF_Version ?? 'of unknown version'}` };
}

/** tfjs-node 4.22 calls `util.isNullOrUndefined`, which Node 23 removed. */
function restoreRemovedNodeFunctions(): void {
  const util = require('node:util') as { isNullOrUndefined?: (value: unknown) => boolean };
  util.isNullOrUndefined ??= (value) => value === null || value === undefined;
}

function whyCudaDidNotLoad(error: unknown): string {
  const code = (error as { code?: unknown } | null)?.code;
  const message = firstLine(error);
  if (code === 'MODULE_NOT_FOUND' && message.includes(cudaPackage)) return `${cudaPackage} is not installed`;
  if (code === 'ERR_DLOPEN_FAILED') return `its native library cannot be opened (${message})`;
  // The package without its compiled half throws a plain Error that has no code.
  if (/native addon/i.test(message)) return 'its native library was not built or downloaded';
  return `${cudaPackage} failed to load (${message})`;
}

let wasmIsPrepared = false;

async function tryWasm(): Promise<Attempt> {
  if (!wasmIsPrepared) {
    // Explicit, because a bundled program is not where the package expects to be.
    setWasmPaths(join(dirname(require.resolve('@tensorflow/tfjs-backend-wasm/package.json')), 'dist') + '/');
    wasmIsPrepared = true;
  }
  if (!(await tf.setBackend('wasm'))) return { type: 'absent', reason: 'WebAssembly did not start' };
  registerWasmKernels();
  const simd = await tf.env().getAsync('WASM_HAS_SIMD_SUPPORT');
  return { type: 'ready', detail: `WebAssembly${simd ? ' with SIMD' : ''}` };
}

function firstLine(error: unknown): string {
  return reasonOf(error).split('\n')[0]!.trim();
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

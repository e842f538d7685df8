import * as tf from '@tensorflow/tfjs';
import { selectBackend } from './backend.ts';

const failing = (error: Error) => () => {
  throw error;
};

/** Stands for the native package: registers its backend as the real one does. */
function nativePackage(isUsingGpuDevice: boolean) {
  class Native extends tf.KernelBackend {
    isUsingGpuDevice = isUsingGpuDevice;
    binding = { TF_Version: '2.18.0' };
    override dispose() {}
  }
  return () => tf.registerBackend('tensorflow', () => new Native(), 3);
}

afterEach(() => {
  if (tf.findBackendFactory('tensorflow')) tf.removeBackend('tensorflow');
});

test.each([
  ['is not installed', Object.assign(new Error("Cannot find module '@tensorflow/tfjs-node-gpu'"), { code: 'MODULE_NOT_FOUND' })],
  ['was not built or downloaded', new Error('The Node.js native addon module (tfjs_binding.node) can not be found at path: x')],
  ['cannot be opened', Object.assign(new Error('libcudart.so.11.0: cannot open shared object file'), { code: 'ERR_DLOPEN_FAILED' })],
  ['failed to load', new TypeError('something else')],
])('a native library that %s gives way to WebAssembly, and the reason is kept', async (reason, error) => {
  const backend = await selectBackend({ loadCuda: failing(error) });
  expect(backend).toMatchObject({ name: 'wasm', detail: expect.stringContaining(reason) });
  expect(tf.getBackend()).toBe('wasm');
});

test('a native library without a GPU is not accepted', async () => {
  const backend = await selectBackend({ prefer: 'cuda', loadCuda: nativePackage(false) });
  expect(backend).toMatchObject({ name: 'wasm', detail: expect.stringContaining('no usable GPU') });
});

test('a native library that uses its GPU is chosen first', async () => {
  const backend = await selectBackend({ loadCuda: nativePackage(true) });
  expect(backend).toEqual({ name: 'cuda', detail: 'CUDA, TensorFlow 2.18.0' });
  expect(tf.getBackend()).toBe('tensorflow');
});

test('the native library finds the function of node:util that newer Node versions lack', async () => {
  const util = process.getBuiltinModule('node:util') as { isNullOrUndefined?: unknown };
  const original = util.isNullOrUndefined;
  delete util.isNullOrUndefined;
  let seen: unknown;
  await selectBackend({
    loadCuda: () => {
      seen = util.isNullOrUndefined;
      throw new Error('stop here');
    },
  });
  util.isNullOrUndefined = original;
  expect((seen as (value: unknown) => boolean)(null)).toBe(true);
});

test('plain JavaScript is used when it is asked for, and without trying anything else', async () => {
  const backend = await selectBackend({ prefer: 'cpu', loadCuda: failing(new Error('must not be tried')) });
  expect(backend).toEqual({ name: 'cpu', detail: 'plain JavaScript' });
});

const { TestEnvironment } = require('jest-environment-node');

/**
 * A worker that is told to end leaves at once. Else it takes its heap apart first, for longer than the half second that Jest waits where
 * the heap is large and the machine busy, and Jest says that it "failed to exit gracefully": then nobody would heed that of a true leak.
 */
if (process.argv[1]?.endsWith('processChild.js')) process.once('exit', (code) => process.reallyExit(code));

/**
 * Jest runs specs in a realm of its own, with typed arrays of its own, while native add-ons (ONNX Runtime, TensorFlow)
 * return those of the main realm; `instanceof` inside their JavaScript then fails. One realm's arrays serve both here.
 */
module.exports = class extends TestEnvironment {
  constructor(config, context) {
    super(config, context);
    Object.assign(this.global, {
      Int8Array, Uint8ClampedArray, Int16Array, Uint16Array, Int32Array, Uint32Array,
      Float32Array, Float64Array, BigInt64Array, BigUint64Array,
    });
  }
};

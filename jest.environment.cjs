const { TestEnvironment } = require('jest-environment-node');

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

// k.ts
import { readFileSync, writeFileSync, renameSync, existsSync } from "node:fs";
import { createHash as createHash3 } from "node:crypto";

// src/backend.ts
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import * as tf2 from "@tensorflow/tfjs";
import { setWasmPaths } from "@tensorflow/tfjs-backend-wasm";

// src/wasm-kernels.ts
import * as tf from "@tensorflow/tfjs";
function registerWasmKernels() {
  replaceKernel("UnsortedSegmentSum", unsortedSegmentSum);
  replaceKernel("Conv2DBackpropFilter", conv2dBackpropFilter);
  replaceKernel("DepthwiseConv2dNativeBackpropFilter", depthwiseBackpropFilter);
  replaceKernel("DepthwiseConv2dNativeBackpropInput", depthwiseBackpropInput);
  replaceKernel("MaxPoolGrad", maxPoolGrad);
  wrapMatMul();
}
function replaceKernel(kernelName, kernel) {
  if (tf.getKernel(kernelName, "wasm")) tf.unregisterKernel(kernelName, "wasm");
  tf.registerKernel({ kernelName, backendName: "wasm", kernelFunc: kernel });
}
function kernelOf(kernelName) {
  return tf.getKernel(kernelName, "wasm").kernelFunc;
}
var floats = (backend2, info) => backend2.typedArrayFromHeap(info);
var unsortedSegmentSum = ({ inputs, attrs, backend: backend2 }) => {
  const x = inputs["x"];
  const segmentIds = inputs["segmentIds"];
  const segments = attrs["numSegments"];
  const inner = x.shape.slice(segmentIds.shape.length);
  const width = inner.reduce((size, length) => size * length, 1);
  const result = backend2.makeOutput([segments, ...inner], x.dtype);
  const sums = backend2.typedArrayFromHeap(result).fill(0);
  const values = backend2.typedArrayFromHeap(x);
  const ids = backend2.typedArrayFromHeap(segmentIds);
  for (let at = 0; at < ids.length; at++) {
    const segment = ids[at];
    if (segment < 0 || segment >= segments) continue;
    for (let j = 0; j < width; j++) sums[segment * width + j] += values[at * width + j];
  }
  return result;
};
function convolutionWindow(inputShape, filterShape, attrs, depthwise) {
  return tf.backend_util.computeConv2DInfo(
    inputShape,
    filterShape,
    attrs.strides,
    attrs.dilations ?? 1,
    attrs.pad,
    attrs.dimRoundingMode,
    depthwise,
    tf.backend_util.convertConv2DDataFormat(attrs.dataFormat ?? "NHWC")
  );
}
var conv2dBackpropFilter = ({ inputs, attrs, backend: backend2 }) => {
  const x = inputs["x"];
  const dy = inputs["dy"];
  const options = attrs;
  if (options.dataFormat === "NCHW") throw new Error("Conv2DBackpropFilter on wasm takes NHWC only");
  const filterShape = options.filterShape;
  const conv = convolutionWindow(x.shape, filterShape, options, false);
  const patch = conv.filterHeight * conv.filterWidth * conv.inChannels;
  const outputs = conv.batchSize * conv.outHeight * conv.outWidth;
  const columns = backend2.makeOutput([1, outputs, patch], "float32");
  layOutPatches(conv, floats(backend2, x), floats(backend2, columns));
  const product = kernelOf("BatchMatMul")({
    inputs: { a: columns, b: { dataId: dy.dataId, dtype: dy.dtype, shape: [1, outputs, conv.outChannels] } },
    attrs: { transposeA: true, transposeB: false },
    backend: backend2
  });
  backend2.disposeData(columns.dataId);
  return { dataId: product.dataId, dtype: product.dtype, shape: filterShape };
};
function layOutPatches(conv, image, columns) {
  const channels = conv.inChannels;
  let to = 0;
  for (let batch = 0; batch < conv.batchSize; batch++) {
    for (let outY = 0; outY < conv.outHeight; outY++) {
      for (let outX = 0; outX < conv.outWidth; outX++) {
        for (let tapY = 0; tapY < conv.filterHeight; tapY++) {
          const y = outY * conv.strideHeight + tapY * conv.dilationHeight - conv.padInfo.top;
          for (let tapX = 0; tapX < conv.filterWidth; tapX++) {
            const x = outX * conv.strideWidth + tapX * conv.dilationWidth - conv.padInfo.left;
            if (y < 0 || y >= conv.inHeight || x < 0 || x >= conv.inWidth) {
              for (let channel = 0; channel < channels; channel++) columns[to++] = 0;
            } else {
              let from = ((batch * conv.inHeight + y) * conv.inWidth + x) * channels;
              for (let channel = 0; channel < channels; channel++) columns[to++] = image[from++];
            }
          }
        }
      }
    }
  }
}
function forEachTap(conv, visit) {
  for (let batch = 0; batch < conv.batchSize; batch++) {
    for (let outY = 0; outY < conv.outHeight; outY++) {
      for (let outX = 0; outX < conv.outWidth; outX++) {
        const output = ((batch * conv.outHeight + outY) * conv.outWidth + outX) * conv.outChannels;
        for (let tapY = 0; tapY < conv.filterHeight; tapY++) {
          const y = outY * conv.strideHeight + tapY * conv.dilationHeight - conv.padInfo.top;
          if (y < 0 || y >= conv.inHeight) continue;
          for (let tapX = 0; tapX < conv.filterWidth; tapX++) {
            const x = outX * conv.strideWidth + tapX * conv.dilationWidth - conv.padInfo.left;
            if (x < 0 || x >= conv.inWidth) continue;
            const input = ((batch * conv.inHeight + y) * conv.inWidth + x) * conv.inChannels;
            visit(input, output, (tapY * conv.filterWidth + tapX) * conv.outChannels);
          }
        }
      }
    }
  }
}
var depthwiseBackpropFilter = ({ inputs, attrs, backend: backend2 }) => {
  const options = attrs;
  const filterShape = options.filterShape;
  const conv = convolutionWindow(inputs["x"].shape, filterShape, options, true);
  const multiplier = conv.outChannels / conv.inChannels;
  const result = backend2.makeOutput(filterShape, "float32");
  const gradient = floats(backend2, result).fill(0);
  const x = floats(backend2, inputs["x"]);
  const dy = floats(backend2, inputs["dy"]);
  forEachTap(conv, (input, output, tap) => {
    for (let channel = 0; channel < conv.outChannels; channel++) {
      gradient[tap + channel] += x[input + Math.floor(channel / multiplier)] * dy[output + channel];
    }
  });
  return result;
};
var depthwiseBackpropInput = ({ inputs, attrs, backend: backend2 }) => {
  const options = attrs;
  const inputShape = options.inputShape;
  const conv = convolutionWindow(inputShape, inputs["filter"].shape, options, true);
  const multiplier = conv.outChannels / conv.inChannels;
  const result = backend2.makeOutput(inputShape, "float32");
  const gradient = floats(backend2, result).fill(0);
  const filter = floats(backend2, inputs["filter"]);
  const dy = floats(backend2, inputs["dy"]);
  forEachTap(conv, (input, output, tap) => {
    for (let channel = 0; channel < conv.outChannels; channel++) {
      gradient[input + Math.floor(channel / multiplier)] += filter[tap + channel] * dy[output + channel];
    }
  });
  return result;
};
var maxPoolGrad = ({ inputs, attrs, backend: backend2 }) => {
  const input = inputs["input"];
  const options = attrs;
  const pool = tf.backend_util.computePool2DInfo(
    input.shape,
    options.filterSize,
    options.strides,
    1,
    options.pad,
    options.dimRoundingMode
  );
  const result = backend2.makeOutput(input.shape, "float32");
  const gradient = floats(backend2, result).fill(0);
  const values = floats(backend2, input);
  const dy = floats(backend2, inputs["dy"]);
  const channels = pool.inChannels;
  for (let batch = 0; batch < pool.batchSize; batch++) {
    for (let outY = 0; outY < pool.outHeight; outY++) {
      const top = outY * pool.strideHeight - pool.padInfo.top;
      for (let outX = 0; outX < pool.outWidth; outX++) {
        const left = outX * pool.strideWidth - pool.padInfo.left;
        const output = ((batch * pool.outHeight + outY) * pool.outWidth + outX) * channels;
        for (let channel = 0; channel < channels; channel++) {
          let best = -Infinity;
          let winner = -1;
          for (let y = Math.max(0, top); y < Math.min(pool.inHeight, top + pool.effectiveFilterHeight); y++) {
            for (let x = Math.max(0, left); x < Math.min(pool.inWidth, left + pool.effectiveFilterWidth); x++) {
              const at = ((batch * pool.inHeight + y) * pool.inWidth + x) * channels + channel;
              if (values[at] > best) {
                best = values[at];
                winner = at;
              }
            }
          }
          if (winner >= 0) gradient[winner] += dy[output + channel];
        }
      }
    }
  }
  return result;
};
var matMulIsWrapped = false;
function wrapMatMul() {
  if (matMulIsWrapped) return;
  matMulIsWrapped = true;
  const config = tf.getKernel("BatchMatMul", "wasm");
  const multiply = config.kernelFunc;
  const transpose = kernelOf("Transpose");
  const transposed = (x, backend2) => {
    const rank = x.shape.length;
    const perm = x.shape.map((_, axis) => axis === rank - 1 ? rank - 2 : axis === rank - 2 ? rank - 1 : axis);
    return transpose({ inputs: { x }, attrs: { perm }, backend: backend2 });
  };
  const kernel = ({ inputs, attrs, backend: backend2 }) => {
    if (!attrs["transposeA"] && !attrs["transposeB"]) return multiply({ inputs, attrs, backend: backend2 });
    const a = attrs["transposeA"] ? transposed(inputs["a"], backend2) : inputs["a"];
    const b = attrs["transposeB"] ? transposed(inputs["b"], backend2) : inputs["b"];
    const product = multiply({ inputs: { a, b }, attrs: { transposeA: false, transposeB: false }, backend: backend2 });
    if (a !== inputs["a"]) backend2.disposeData(a.dataId);
    if (b !== inputs["b"]) backend2.disposeData(b.dataId);
    return product;
  };
  replaceKernel("BatchMatMul", kernel);
}

// src/backend.ts
var require2 = createRequire(import.meta.url);
var engineNames = { cuda: "tensorflow", wasm: "wasm", cpu: "cpu" };
var cudaPackage = "@tensorflow/tfjs-node-gpu";
var current = null;
async function selectBackend(options = {}) {
  tf2.enableProdMode();
  const order = ["cuda", "wasm", "cpu"];
  const reasons = [];
  for (const name of order.slice(order.indexOf(options.prefer ?? "cuda"))) {
    const attempt = await tryBackend(name, options.loadCuda ?? (() => require2(cudaPackage)));
    if (attempt.type === "ready") {
      current = { name, detail: [attempt.detail, ...reasons].join("; ") };
      return current;
    }
    reasons.push(`no ${name}: ${attempt.reason}`);
  }
  throw new Error(`No compute backend works on this machine: ${reasons.join("; ")}`);
}
async function currentBackend() {
  return current ?? selectBackend();
}
async function activateBackend(backend2) {
  const name = engineNames[backend2.name];
  if (tf2.getBackend() !== name && !await tf2.setBackend(name)) {
    throw new Error(`The ${backend2.name} backend could not be activated`);
  }
  current = backend2;
}
async function tryBackend(name, loadCuda) {
  try {
    if (name === "cuda") return await tryCuda(loadCuda);
    if (name === "wasm") return await tryWasm();
    if (!await tf2.setBackend("cpu")) return { type: "absent", reason: "it did not start" };
    return { type: "ready", detail: "plain JavaScript" };
  } catch (error) {
    return { type: "absent", reason: reasonOf(error) };
  }
}
async function tryCuda(loadCuda) {
  restoreRemovedNodeFunctions();
  try {
    loadCuda();
  } catch (error) {
    return { type: "absent", reason: whyCudaDidNotLoad(error) };
  }
  if (!tf2.findBackendFactory("tensorflow") || !await tf2.setBackend("tensorflow")) {
    return { type: "absent", reason: "the native library registered no backend" };
  }
  const native = tf2.backend();
  if (native.isUsingGpuDevice !== true) {
    return { type: "absent", reason: "the native library loaded but found no usable GPU" };
  }
  return { type: "ready", detail: `CUDA, TensorFlow ${native.binding?.TF_Version ?? "of unknown version"}` };
}
function restoreRemovedNodeFunctions() {
  const util = require2("node:util");
  util.isNullOrUndefined ??= (value) => value === null || value === void 0;
}
function whyCudaDidNotLoad(error) {
  const code = error?.code;
  const message = firstLine(error);
  if (code === "MODULE_NOT_FOUND" && message.includes(cudaPackage)) return `${cudaPackage} is not installed`;
  if (code === "ERR_DLOPEN_FAILED") return `its native library cannot be opened (${message})`;
  if (/native addon/i.test(message)) return "its native library was not built or downloaded";
  return `${cudaPackage} failed to load (${message})`;
}
var wasmIsPrepared = false;
async function tryWasm() {
  if (!wasmIsPrepared) {
    setWasmPaths(join(dirname(require2.resolve("@tensorflow/tfjs-backend-wasm/package.json")), "dist") + "/");
    wasmIsPrepared = true;
  }
  if (!await tf2.setBackend("wasm")) return { type: "absent", reason: "WebAssembly did not start" };
  registerWasmKernels();
  const simd = await tf2.env().getAsync("WASM_HAS_SIMD_SUPPORT");
  return { type: "ready", detail: `WebAssembly${simd ? " with SIMD" : ""}` };
}
function firstLine(error) {
  return reasonOf(error).split("\n")[0].trim();
}
function reasonOf(error) {
  return error instanceof Error ? error.message : String(error);
}

// src/table.ts
function categoryAt(column, row) {
  const value = column.values[row];
  if (value == null) return null;
  if (typeof value === "string") return value;
  return Number.isNaN(value) ? null : String(value);
}
function findColumn(table2, name) {
  return table2.columns.find((column) => column.name === name) ?? null;
}
function inCodeUnitOrder(a, b) {
  return a < b ? -1 : a > b ? 1 : 0;
}

// src/pipeline.ts
var maxCategories = 1e3;
function fitFeatures(table2, inputs, rows, scaling = "standard") {
  const problems = [];
  const features = [];
  inputs.forEach((input, index) => {
    const field = `inputFeatures[${index}].name`;
    const column = findColumn(table2, input.name);
    if (!column) throw new Error(`No column ${input.name}; check the specification against the columns first`);
    const fitted = input.type === "number" ? fitNumber(column, rows, scaling) : fitCategory(column, input.type, rows);
    if (typeof fitted === "string") {
      problems.push({ field, message: `Column "${input.name}" ${fitted}`, remedy: "Mend the column or leave it out." });
    } else {
      features.push(fitted);
    }
  });
  return problems.length > 0 ? { type: "invalid", problems } : { type: "fitted", features };
}
function fitNumber(column, rows, scaling) {
  if (column.type !== "number") throw new Error(`Column ${column.name} does not hold numbers`);
  const known = Float64Array.from(rows, (row) => column.values[row]).filter((value) => !Number.isNaN(value));
  if (known.length === 0) return "has no value in the training rows.";
  known.sort();
  const min = known[0];
  const max = known[known.length - 1];
  const middle = known.length >> 1;
  const fill = known.length % 2 === 1 ? known[middle] : known[middle - 1] / 2 + known[middle] / 2;
  const missing = rows.length - known.length;
  const standard = min === max ? { mean: min, scale: 1 } : meanAndScale(known, missing, fill);
  const { mean: mean2, scale } = scaling === "none" ? { mean: 0, scale: 1 } : standard;
  if (![min, max, fill, mean2, scale].every(Number.isFinite)) return "has values too large to compute with.";
  return { name: column.name, type: "number", min, max, mean: mean2, scale, fill, missingAllowed: missing > 0 };
}
function meanAndScale(values, extra, filler) {
  const count = values.length + extra;
  let sum2 = extra * filler;
  for (const value of values) sum2 += value;
  const mean2 = sum2 / count;
  let squares = extra * (filler - mean2) ** 2;
  for (const value of values) squares += (value - mean2) ** 2;
  return { mean: mean2, scale: Math.sqrt(squares / count) || 1 };
}
function fitCategory(column, type, rows) {
  const seen = /* @__PURE__ */ new Set();
  let missing = 0;
  for (const row of rows) {
    const value = categoryAt(column, row);
    if (value === null) missing += 1;
    else seen.add(value);
  }
  if (seen.size === 0) return "has no value in the training rows.";
  if (seen.size > maxCategories) return `has ${seen.size} different values; at most ${maxCategories} make a category.`;
  return { name: column.name, type, categories: [...seen].sort(inCodeUnitOrder), missingAllowed: missing > 0 };
}
function encodedWidth(features) {
  return features.reduce((width, feature) => width + (feature.type === "number" ? 1 : feature.categories.length), 0);
}
function encodeRows(features, table2, rows) {
  const width = encodedWidth(features);
  const encoded = new Float64Array(rows.length * width);
  let offset = 0;
  for (const feature of features) {
    const column = findColumn(table2, feature.name);
    if (!column) throw new Error(`The rows have no column "${feature.name}"`);
    if (feature.type === "number") {
      if (column.type !== "number") throw new Error(`Column "${feature.name}" must hold numbers`);
      for (let at = 0; at < rows.length; at++) {
        const value = column.values[rows[at]];
        encoded[at * width + offset] = ((Number.isNaN(value) ? feature.fill : value) - feature.mean) / feature.scale;
      }
      offset += 1;
    } else {
      const places = new Map(feature.categories.map((category, index) => [category, index]));
      for (let at = 0; at < rows.length; at++) {
        const value = categoryAt(column, rows[at]);
        const place = value === null ? void 0 : places.get(value);
        if (place !== void 0) encoded[at * width + offset + place] = 1;
      }
      offset += feature.categories.length;
    }
  }
  return encoded;
}

// src/training-spec.ts
import { z as z2 } from "zod";

// src/families.ts
import { z } from "zod";
var nearestNeighboursSchema = z.strictObject({
  family: z.literal("knn"),
  k: z.int().min(1).max(1e4).default(5).meta({ title: "k", description: "How many neighbours decide." }),
  weights: z.enum(["uniform", "distance"]).default("uniform").meta({
    title: "Weights",
    description: "uniform: every neighbour counts the same; distance: nearer ones count more (1/d)."
  }),
  scaling: z.enum(["standard", "none"]).default("standard").meta({
    title: "Scaling",
    description: "standard: every number counts alike, whatever its unit; none: numbers count as they are, right when all share a unit."
  })
}).meta({ title: "k-nearest neighbours" });
var denseSchema = z.strictObject({
  family: z.literal("dense"),
  hiddenLayers: z.array(z.int().min(1).max(4096)).max(16).default([64, 32]).meta({
    title: "Hidden layers",
    description: "Units of each hidden layer, first to last. None gives a linear (logistic) model."
  }),
  activation: z.enum(["relu", "tanh", "sigmoid", "elu"]).default("relu").meta({
    title: "Activation",
    description: "Between the layers."
  })
}).meta({ title: "Dense network" });
var modelSchema = z.discriminatedUnion("family", [nearestNeighboursSchema, denseSchema]).meta({ title: "Model" });
var families = {
  knn: {
    title: "k-nearest neighbours",
    description: "Predicts from the k most similar training rows. Strong on small data; keeps all training rows.",
    learnsByEpochs: false,
    parameters: z.toJSONSchema(nearestNeighboursSchema, { io: "input" })
  },
  dense: {
    title: "Dense network",
    description: "Layers of weighted sums, trained by gradient descent on cross-entropy (classes) or squared error (numbers).",
    learnsByEpochs: true,
    parameters: z.toJSONSchema(denseSchema, { io: "input" })
  }
};

// src/training-spec.ts
var featureType = z2.enum(["number", "category", "binary"]).meta({
  title: "Type",
  description: "How the column is used: as a quantity, as one of several values, or as one of two values."
});
var columnName = z2.string().min(1).max(256).meta({ title: "Column", description: "Name of a column of the data set." });
var inputFeatureSchema = z2.strictObject({ name: columnName, type: featureType }).meta({ title: "Input feature" });
var outputFeatureSchema = z2.strictObject({
  name: columnName,
  type: featureType.meta({
    title: "Type",
    description: "number asks for a regression; category and binary ask for a classification."
  }),
  positiveClass: z2.string().optional().meta({
    title: "Positive class",
    description: "With two classes: the one that precision, recall and F1 are about. Default: the rarer one."
  })
}).meta({ title: "Target" });
var splitSchema = z2.strictObject({
  type: z2.enum(["random", "stratified"]).optional().meta({
    title: "Kind",
    description: "stratified keeps the share of every class. Default: stratified for classes, random for numbers."
  }),
  trainFraction: z2.number().min(0.05).max(0.95).default(0.8).meta({
    title: "Training share",
    description: "Share of the rows to learn from; the rest is the test set, which only the final score sees."
  }),
  validationFraction: z2.number().min(0.05).max(0.5).default(0.15).meta({
    title: "Validation share",
    description: "Share of the training rows held back to stop early or to compare models. Nothing is held back when neither is asked for."
  }),
  seed: z2.int().min(0).max(2 ** 32 - 1).default(0).meta({
    title: "Seed",
    description: "The same seed gives the same split, initial weights and order of rows."
  })
}).meta({ title: "Split" });
var regularizationSchema = z2.strictObject({
  l1: z2.number().min(0).max(100).default(0).meta({ title: "L1", description: "Adds l1 \xB7 \u03A3|w| to the loss." }),
  l2: z2.number().min(0).max(100).default(0).meta({ title: "L2", description: "Adds l2 \xB7 \u03A3w\xB2 to the loss." })
}).meta({ title: "Regularisation", description: "Penalties on the kernels of a network (not on its biases)." });
var earlyStopSchema = z2.strictObject({
  patience: z2.int().min(1).max(1e4).default(15).meta({
    title: "Patience",
    description: "Stop after so many epochs without a better validation loss; the best weights are kept."
  }),
  minDelta: z2.number().min(0).max(1e6).default(0).meta({
    title: "Smallest improvement",
    description: "A validation loss counts as better only if it is lower by more than this."
  })
}).meta({ title: "Early stop" });
var trainerSchema = z2.strictObject({
  epochs: z2.int().min(1).max(1e5).default(100).meta({ title: "Epochs", description: "Passes over the training rows, at most." }),
  batchSize: z2.int().min(1).max(65536).default(32).meta({ title: "Batch size", description: "Rows per gradient step." }),
  optimizer: z2.enum(["sgd", "momentum", "adam", "rmsprop"]).default("adam").meta({ title: "Optimiser" }),
  learningRate: z2.number().positive().max(1e3).default(3e-3).meta({ title: "Learning rate", description: "Size of a gradient step." }),
  regularization: regularizationSchema.prefault({}),
  earlyStop: earlyStopSchema.nullable().prefault({}).meta({
    title: "Early stop",
    description: "null trains for all epochs and keeps the last weights."
  })
}).meta({ title: "Trainer", description: "How networks are trained. Models that do not learn by epochs ignore it." });
var selectionMetrics = {
  accuracy: { task: "classification", direction: "higher" },
  balancedAccuracy: { task: "classification", direction: "higher" },
  precision: { task: "classification", direction: "higher" },
  recall: { task: "classification", direction: "higher" },
  f1: { task: "classification", direction: "higher" },
  rocAuc: { task: "classification", direction: "higher" },
  logLoss: { task: "classification", direction: "lower" },
  rmse: { task: "regression", direction: "lower" },
  mae: { task: "regression", direction: "lower" },
  r2: { task: "regression", direction: "higher" }
};
var selectionSchema = z2.strictObject({
  metric: z2.enum(Object.keys(selectionMetrics)).optional().meta({
    title: "Metric",
    description: "What the best model is best at. Default: f1 for classes, rmse for numbers."
  })
}).meta({ title: "Selection" });
var trainingSpecSchema = z2.strictObject({
  inputFeatures: z2.array(inputFeatureSchema).min(1).max(1e4).meta({
    title: "Input features",
    description: "The columns to predict from. Their order is the order in which a model expects them."
  }),
  outputFeatures: z2.array(outputFeatureSchema).length(1).meta({
    title: "Output features",
    description: "The column to predict: exactly one."
  }),
  split: splitSchema.prefault({}),
  models: z2.array(modelSchema).min(1).max(50).prefault([{ family: "dense" }]).meta({
    title: "Models",
    description: "The candidates. Each is trained; the best by the selection metric is marked."
  }),
  trainer: trainerSchema.prefault({}),
  selection: selectionSchema.prefault({})
}).meta({ title: "Training configuration" });
var trainingSpecJsonSchema = z2.toJSONSchema(trainingSpecSchema, { io: "input" });
function parseTrainingSpec(input) {
  const parsed = trainingSpecSchema.safeParse(input);
  if (parsed.success) return { type: "valid", spec: parsed.data };
  return { type: "invalid", problems: parsed.error.issues.flatMap(problemsOfIssue) };
}
function problemsOfIssue(issue) {
  const field = fieldOf(issue.path);
  switch (issue.code) {
    case "unrecognized_keys":
      return issue.keys.map((key) => ({
        field: fieldOf([...issue.path, key]),
        message: "This setting does not exist.",
        remedy: "Remove it, or check its spelling."
      }));
    case "invalid_type": {
      const expected = issue.expected === "int" ? "whole number" : issue.expected;
      const message = issue.message.endsWith("received undefined") ? "A value is missing." : "The value has the wrong type.";
      return [{ field, message, remedy: `Give a value of type ${expected}.` }];
    }
    case "too_small":
      return [{ field, message: "The value is too small.", remedy: boundRemedy(issue.origin, "at least", issue.minimum, issue) }];
    case "too_big":
      return [{ field, message: "The value is too large.", remedy: boundRemedy(issue.origin, "at most", issue.maximum, issue) }];
    case "invalid_value":
      return [{ field, message: "This value is not known.", remedy: `Give one of: ${issue.values.map(String).join(", ")}.` }];
    case "invalid_union": {
      const options = "options" in issue && Array.isArray(issue.options) ? issue.options.map(String).join(", ") : "";
      return [{ field, message: "This value is not known.", remedy: options ? `Give one of: ${options}.` : "See the schema." }];
    }
    default:
      return [{ field, message: issue.message, remedy: "See the schema for what is allowed here." }];
  }
}
function boundRemedy(origin, words, bound, issue) {
  const unit = origin === "array" ? " entries" : origin === "string" ? " characters" : "";
  if (issue.exact) return `Give exactly ${bound}${unit}.`;
  if (issue.inclusive === false) return `Give a value ${words === "at least" ? "above" : "below"} ${bound}.`;
  return `Give ${words} ${bound}${unit}.`;
}
function fieldOf(path) {
  if (path.length === 0) return "(configuration)";
  return path.map((key, at) => typeof key === "number" ? `[${key}]` : `${at === 0 ? "" : "."}${String(key)}`).join("");
}

// src/check-spec.ts
var minRows = 10;
var minRowsPerClass = 2;
var maxClasses = 1e3;
var countedValues = 1e4;
function taskOf(spec2) {
  return spec2.outputFeatures[0].type === "number" ? "regression" : "classification";
}
function splitTypeOf(spec2) {
  return spec2.split.type ?? (taskOf(spec2) === "classification" ? "stratified" : "random");
}
function needsValidation(spec2) {
  return spec2.models.length > 1 || spec2.trainer.earlyStop !== null && spec2.models.some((model) => model.family === "dense");
}
function summariseTable(table2) {
  return table2.columns.map((column) => {
    const counts = /* @__PURE__ */ new Map();
    let missing = 0;
    for (let row = 0; row < table2.rows; row++) {
      const value = column.values[row] ?? NaN;
      if (Number.isNaN(value)) missing += 1;
      else if (counts.size <= countedValues || counts.has(value)) counts.set(value, (counts.get(value) ?? 0) + 1);
    }
    const listed = [...counts].map(([value, count]) => ({ value: String(value), count }));
    return {
      name: column.name,
      type: column.type,
      rows: table2.rows,
      missing,
      distinct: counts.size,
      counts: counts.size > countedValues ? void 0 : listed.sort((a, b) => b.count - a.count || inCodeUnitOrder(a.value, b.value))
    };
  });
}
function checkSpecAgainstColumns(spec2, columns) {
  return [
    ...checkInputs(spec2, columns),
    ...checkTarget(spec2, columns),
    ...checkSettings(spec2, columns)
  ];
}
function checkInputs(spec2, columns) {
  const problems = [];
  const target = spec2.outputFeatures[0].name;
  const seen = /* @__PURE__ */ new Set();
  spec2.inputFeatures.forEach((input, index) => {
    const field = `inputFeatures[${index}]`;
    const column = columns.find(({ name }) => name === input.name);
    if (seen.has(input.name)) {
      problems.push({ field: `${field}.name`, message: `"${input.name}" is listed twice.`, remedy: "Remove one of the two." });
    }
    seen.add(input.name);
    if (input.name === target) {
      problems.push({
        field: `${field}.name`,
        message: `"${target}" is the target: a model that reads it learns nothing.`,
        remedy: "Remove it from the input features."
      });
    }
    if (!column) {
      problems.push(unknownColumn(`${field}.name`, input.name, columns));
      return;
    }
    problems.push(...checkType(`${field}.type`, input, column));
    if (column.missing === column.rows) {
      problems.push({ field: `${field}.name`, message: `"${input.name}" has no values.`, remedy: "Leave the column out." });
    } else if (input.type === "category" && column.distinct > maxCategories) {
      problems.push({
        field: `${field}.type`,
        message: `"${input.name}" has ${column.distinct} different values; at most ${maxCategories} make a category.`,
        remedy: column.type === "number" ? "Use it as a number, or leave it out." : "It looks like an identifier: leave it out."
      });
    }
  });
  return problems;
}
function checkType(field, feature, column) {
  if (!["number", "category", "binary"].includes(column.type)) {
    return [{
      field,
      message: `"${feature.name}" is a ${column.type} column, which no model family takes yet.`,
      remedy: "Leave the column out, or change its type in the data set."
    }];
  }
  if (feature.type === "number" && column.type !== "number") {
    return [{
      field,
      message: `"${feature.name}" does not hold numbers but ${column.type} values.`,
      remedy: `Use type "${column.type}", or mend the values that are not numbers.`
    }];
  }
  if (feature.type === "binary" && column.distinct > 2) {
    return [{
      field,
      message: `"${feature.name}" has ${column.distinct} different values, not two.`,
      remedy: 'Use type "category".'
    }];
  }
  return [];
}
function checkTarget(spec2, columns) {
  const field = "outputFeatures[0]";
  const target = spec2.outputFeatures[0];
  const column = columns.find(({ name }) => name === target.name);
  if (!column) return [unknownColumn(`${field}.name`, target.name, columns)];
  const known = column.rows - column.missing;
  const problems = checkType(`${field}.type`, target, column);
  if (known < minRows) {
    problems.push({
      field: `${field}.name`,
      message: `Only ${known} rows have a value of "${target.name}"; at least ${minRows} are needed.`,
      remedy: "Add rows, or choose another target."
    });
  }
  if (known > 0 && column.distinct < 2) {
    problems.push({
      field: `${field}.name`,
      message: taskOf(spec2) === "classification" ? `"${target.name}" has one class only: there is nothing to tell apart.` : `"${target.name}" has the same value in every row: there is nothing to learn.`,
      remedy: "Choose another target, or add rows with other values."
    });
  }
  if (taskOf(spec2) === "regression") {
    if (target.positiveClass !== void 0) {
      problems.push({
        field: `${field}.positiveClass`,
        message: "A number has no positive class.",
        remedy: 'Remove it, or use type "binary".'
      });
    }
    return problems;
  }
  if (column.distinct > maxClasses) {
    problems.push({
      field: `${field}.type`,
      message: `"${target.name}" has ${column.distinct} classes; at most ${maxClasses} can be told apart.`,
      remedy: column.type === "number" ? 'Use type "number" to predict the quantity.' : "Choose another target."
    });
    return problems;
  }
  const rare = column.counts?.filter(({ count }) => count < minRowsPerClass) ?? [];
  if (rare.length > 0 && column.distinct > 1) {
    problems.push({
      field: `${field}.name`,
      message: `Too few rows of class ${rare.slice(0, 3).map(({ value }) => `"${value}"`).join(", ")}: each class needs at least ${minRowsPerClass}.`,
      remedy: target.type !== "category" || column.type !== "number" ? "Add rows of that class, or remove it from the data." : 'Use type "number" to predict the quantity, or add rows.'
    });
  }
  if (target.positiveClass !== void 0) {
    if (column.distinct > 2) {
      problems.push({
        field: `${field}.positiveClass`,
        message: `"${target.name}" has ${column.distinct} classes; only two have a positive one.`,
        remedy: "Remove the positive class."
      });
    } else if (column.counts && !column.counts.some(({ value }) => value === target.positiveClass)) {
      problems.push({
        field: `${field}.positiveClass`,
        message: `"${target.name}" has no class "${target.positiveClass}".`,
        remedy: `Give one of: ${column.counts.map(({ value }) => value).join(", ")}.`
      });
    }
  }
  return problems;
}
function checkSettings(spec2, columns) {
  const problems = [];
  const task = taskOf(spec2);
  const { metric } = spec2.selection;
  if (metric !== void 0 && selectionMetrics[metric].task !== task) {
    const fitting = Object.entries(selectionMetrics).filter(([, { task: of }]) => of === task).map(([name]) => name);
    problems.push({
      field: "selection.metric",
      message: `"${metric}" does not measure a ${task}.`,
      remedy: `Give one of: ${fitting.join(", ")}.`
    });
  }
  if (task === "regression" && spec2.split.type === "stratified") {
    problems.push({
      field: "split.type",
      message: "A stratified split needs classes, and the target is a number.",
      remedy: "Use a random split."
    });
  }
  const target = columns.find(({ name }) => name === spec2.outputFeatures[0].name);
  if (!target || target.rows - target.missing < minRows) return problems;
  const learning = Math.round((target.rows - target.missing) * spec2.split.trainFraction);
  const training = needsValidation(spec2) ? Math.round(learning * (1 - spec2.split.validationFraction)) : learning;
  spec2.models.forEach((model, index) => {
    if (model.family === "knn" && model.k > training) {
      problems.push({
        field: `models[${index}].k`,
        message: `k is ${model.k}, but there are only ${training} training rows.`,
        remedy: `Give at most ${training}, or add rows.`
      });
    }
  });
  return problems;
}
function unknownColumn(field, name, columns) {
  const folded = (text) => text.toLowerCase().replace(/[^\p{L}\p{N}]/gu, "");
  const similar = columns.find((column) => folded(column.name) === folded(name));
  const listed = columns.slice(0, 20).map((column) => column.name).join(", ");
  return {
    field,
    message: `The data has no column "${name}".`,
    remedy: similar ? `Did you mean "${similar.name}"?` : `Columns are: ${listed}${columns.length > 20 ? ", \u2026" : ""}.`
  };
}

// src/dense-network.ts
import * as tf3 from "@tensorflow/tfjs";

// src/optimiser.ts
var decay = 0.9;
var adamBeta1 = 0.9;
var adamBeta2 = 0.999;
var epsilon = 1e-7;
function createOptimiser(name, learningRate, sizes, restored = null) {
  const perWeight = { sgd: 0, momentum: 1, rmsprop: 1, adam: 2 }[name];
  const zeros = () => sizes.flatMap((size) => Array.from({ length: perWeight }, () => new Float32Array(size)));
  const state = restored ? { steps: restored.steps, slots: restored.slots.map((slot) => slot.slice()) } : { steps: 0, slots: zeros() };
  const updates = {
    sgd(weight, gradient) {
      for (let i = 0; i < weight.length; i++) weight[i] -= learningRate * gradient[i];
    },
    momentum(weight, gradient, first) {
      const velocity = state.slots[first];
      for (let i = 0; i < weight.length; i++) {
        velocity[i] = decay * velocity[i] + gradient[i];
        weight[i] -= learningRate * velocity[i];
      }
    },
    rmsprop(weight, gradient, first) {
      const meanSquare = state.slots[first];
      for (let i = 0; i < weight.length; i++) {
        const g = gradient[i];
        meanSquare[i] = decay * meanSquare[i] + (1 - decay) * g * g;
        weight[i] -= learningRate * g / (Math.sqrt(meanSquare[i]) + epsilon);
      }
    },
    adam(weight, gradient, first) {
      const mean2 = state.slots[first];
      const meanSquare = state.slots[first + 1];
      const meanCorrection = 1 / (1 - adamBeta1 ** state.steps);
      const squareCorrection = 1 / (1 - adamBeta2 ** state.steps);
      for (let i = 0; i < weight.length; i++) {
        const g = gradient[i];
        const m = mean2[i] = adamBeta1 * mean2[i] + (1 - adamBeta1) * g;
        const v = meanSquare[i] = adamBeta2 * meanSquare[i] + (1 - adamBeta2) * g * g;
        weight[i] -= learningRate * m * meanCorrection / (Math.sqrt(v * squareCorrection) + epsilon);
      }
    }
  };
  return {
    state,
    step(weights, gradients) {
      state.steps += 1;
      weights.forEach((weight, index) => updates[name](weight, gradients[index], index * perWeight));
    }
  };
}

// src/random.ts
function createRandom(seed, ...stream) {
  let mixed = 0n;
  for (const number of [seed, ...stream]) mixed = splitMix64(mixed ^ BigInt.asUintN(64, BigInt(number)));
  return fromState(stateFrom(mixed));
}
var GOLDEN_GAMMA = 0x9e3779b97f4a7c15n;
function splitMix64(state) {
  let z3 = BigInt.asUintN(64, state + GOLDEN_GAMMA);
  z3 = BigInt.asUintN(64, (z3 ^ z3 >> 30n) * 0xbf58476d1ce4e5b9n);
  z3 = BigInt.asUintN(64, (z3 ^ z3 >> 27n) * 0x94d049bb133111ebn);
  return z3 ^ z3 >> 31n;
}
function stateFrom(mixed) {
  const first = splitMix64(mixed);
  const second = splitMix64(BigInt.asUintN(64, mixed + GOLDEN_GAMMA));
  return Uint32Array.of(
    Number(first & 0xffffffffn),
    Number(first >> 32n),
    Number(second & 0xffffffffn),
    Number(second >> 32n)
  );
}
var rotateLeft = (x, k) => x << k | x >>> 32 - k;
function fromState(initial) {
  const s = Uint32Array.from(initial);
  function uint32() {
    const result = Math.imul(rotateLeft(Math.imul(s[1], 5), 7), 9) >>> 0;
    const t = s[1] << 9;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotateLeft(s[3], 11);
    return result;
  }
  function below(bound) {
    const limit = 2 ** 32 - 2 ** 32 % bound;
    let value = uint32();
    while (value >= limit) value = uint32();
    return value % bound;
  }
  return {
    uint32,
    uniform: () => uint32() / 2 ** 32,
    below,
    permutation(length) {
      const order = Int32Array.from({ length }, (_, index) => index);
      for (let last = length - 1; last > 0; last--) {
        const other = below(last + 1);
        const kept = order[last];
        order[last] = order[other];
        order[other] = kept;
      }
      return order;
    }
  };
}

// src/dense-network.ts
async function trainDense(training) {
  const { settings, trainer, train: train2, validation, classes } = training;
  const shapes = shapesOf(settings, train2.width, classes);
  const state = training.resume ? structuredClone(training.resume) : {
    epoch: 0,
    weights: initialWeights(shapes, training.seed, training.trial),
    optimiser: { steps: 0, slots: [] },
    best: null,
    waited: 0,
    history: []
  };
  const sizes = state.weights.map((weight) => weight.length);
  const optimiser = createOptimiser(
    trainer.optimizer,
    trainer.learningRate,
    sizes,
    training.resume ? state.optimiser : null
  );
  state.optimiser = optimiser.state;
  const { earlyStop } = trainer;
  while (state.epoch < trainer.epochs && !(earlyStop && validation && state.waited >= earlyStop.patience)) {
    const epoch = state.epoch + 1;
    const order = createRandom(training.seed, training.trial, epoch).permutation(train2.rows);
    let lossSum = 0;
    for (let start = 0; start < train2.rows; start += trainer.batchSize) {
      if (!await training.pacer.mayContinue()) return { type: "cancelled" };
      const batch = gather(train2, order.subarray(start, start + trainer.batchSize));
      const { loss, gradients } = lossAndGradients(shapes, state.weights, batch, classes);
      if (!Number.isFinite(loss)) return { type: "diverged", epoch };
      addPenaltyGradients(state.weights, gradients, trainer.regularization);
      optimiser.step(state.weights, gradients);
      lossSum += loss * batch.rows;
    }
    if (!state.weights.every((weight) => weight.every(Number.isFinite))) return { type: "diverged", epoch };
    let outputs = null;
    let valLoss = null;
    if (validation) {
      outputs = networkOutputs(layersOf(shapes, state.weights), validation.inputs, validation.rows);
      valLoss = dataLoss(outputs, validation.targets, classes);
      if (!Number.isFinite(valLoss)) return { type: "diverged", epoch };
    }
    state.epoch = epoch;
    const result = { epoch, loss: lossSum / train2.rows, penalty: penaltyOf(state.weights, trainer.regularization), valLoss };
    state.history.push(result);
    if (valLoss !== null && earlyStop) {
      if (state.best === null || valLoss < state.best.loss - earlyStop.minDelta) {
        state.best = { epoch, loss: valLoss, weights: state.weights.map((weight) => weight.slice()) };
        state.waited = 0;
      } else {
        state.waited += 1;
      }
    }
    await training.onEpoch(state, result, outputs);
  }
  return {
    type: "trained",
    layers: layersOf(shapes, (state.best?.weights ?? state.weights).map((weight) => weight.slice())),
    epochs: state.epoch,
    bestEpoch: state.best?.epoch ?? state.epoch,
    history: state.history
  };
}
function networkOutputs(layers, inputs, rows) {
  const width = layers[0].inputs;
  const units = layers[layers.length - 1].units;
  const outputs = new Float32Array(rows * units);
  const chunk = 2048;
  for (let start = 0; start < rows; start += chunk) {
    const end = Math.min(rows, start + chunk);
    const part = tf3.tidy(() => {
      const weights = layers.flatMap((layer) => [
        tf3.tensor2d(layer.kernel, [layer.inputs, layer.units]),
        tf3.tensor1d(layer.bias)
      ]);
      const x = tf3.tensor2d(inputs.subarray(start * width, end * width), [end - start, width]);
      const last = forward(layers, weights, x);
      return (layers[layers.length - 1].activation === "softmax" ? tf3.softmax(last) : last).dataSync();
    });
    outputs.set(part, start * units);
  }
  return outputs;
}
function lossAndGradients(shapes, weights, batch, classes) {
  return tf3.tidy(() => {
    const x = tf3.tensor2d(batch.inputs, [batch.rows, batch.width]);
    const truth = targetTensor(batch, classes);
    const lossOf = (...tensors2) => {
      const outputs = forward(shapes, tensors2, x);
      const total = classes > 0 ? tf3.neg(tf3.sum(tf3.mul(truth, tf3.logSoftmax(outputs)))) : tf3.sum(tf3.square(tf3.sub(outputs, truth)));
      return tf3.div(total, batch.rows);
    };
    const tensors = weights.map((weight, index) => tf3.tensor(weight, weightShape(shapes, index)));
    const { value, grads } = tf3.valueAndGrads(lossOf)(tensors);
    return {
      loss: value.dataSync()[0],
      // Copies: the plain JavaScript backend hands out its own storage.
      gradients: grads.map((gradient) => Float32Array.from(gradient.dataSync()))
    };
  });
}
function shapesOf(settings, width, classes) {
  const sizes = [width, ...settings.hiddenLayers];
  const hidden = settings.hiddenLayers.map((units, index) => ({
    inputs: sizes[index],
    units,
    activation: settings.activation
  }));
  const inputs = sizes[sizes.length - 1];
  return [...hidden, { inputs, units: classes || 1, activation: classes > 0 ? "softmax" : "linear" }];
}
function initialWeights(shapes, seed, trial) {
  const random = createRandom(seed, trial, 0);
  return shapes.flatMap(({ inputs, units, activation }) => {
    const rectified = activation === "relu" || activation === "elu";
    const limit = Math.sqrt(rectified ? 6 / inputs : 6 / (inputs + units));
    const kernel = Float32Array.from({ length: inputs * units }, () => (2 * random.uniform() - 1) * limit);
    return [kernel, new Float32Array(units)];
  });
}
function weightShape(shapes, index) {
  const { inputs, units } = shapes[index >> 1];
  return index % 2 === 0 ? [inputs, units] : [units];
}
function layersOf(shapes, weights) {
  return shapes.map((shape, index) => ({ ...shape, kernel: weights[2 * index], bias: weights[2 * index + 1] }));
}
function forward(shapes, weights, x) {
  return shapes.reduce((input, { activation }, index) => {
    const sum2 = tf3.add(tf3.matMul(input, weights[2 * index]), weights[2 * index + 1]);
    switch (activation) {
      case "relu":
        return tf3.relu(sum2);
      case "tanh":
        return tf3.tanh(sum2);
      case "sigmoid":
        return tf3.sigmoid(sum2);
      case "elu":
        return tf3.elu(sum2);
      case "linear":
      case "softmax":
        return sum2;
    }
  }, x);
}
function targetTensor(batch, classes) {
  if (classes === 0) return tf3.tensor2d(batch.targets, [batch.rows, 1]);
  const oneHot = new Float32Array(batch.rows * classes);
  for (let row = 0; row < batch.rows; row++) oneHot[row * classes + batch.targets[row]] = 1;
  return tf3.tensor2d(oneHot, [batch.rows, classes]);
}
function gather(examples, rows) {
  const { width } = examples;
  const inputs = new Float32Array(rows.length * width);
  const targets = new Float32Array(rows.length);
  for (let at = 0; at < rows.length; at++) {
    const row = rows[at];
    for (let column = 0; column < width; column++) inputs[at * width + column] = examples.inputs[row * width + column];
    targets[at] = examples.targets[row];
  }
  return { rows: rows.length, width, inputs, targets };
}
function dataLoss(outputs, targets, classes) {
  let sum2 = 0;
  for (let row = 0; row < targets.length; row++) {
    if (classes > 0) {
      sum2 -= Math.log(Math.max(117549435e-46, outputs[row * classes + targets[row]]));
    } else {
      sum2 += (outputs[row] - targets[row]) ** 2;
    }
  }
  return sum2 / targets.length;
}
function addPenaltyGradients(weights, gradients, { l1, l2 }) {
  if (l1 === 0 && l2 === 0) return;
  for (let index = 0; index < weights.length; index += 2) {
    const weight = weights[index];
    const gradient = gradients[index];
    for (let i = 0; i < weight.length; i++) gradient[i] += l1 * Math.sign(weight[i]) + 2 * l2 * weight[i];
  }
}
function penaltyOf(weights, { l1, l2 }) {
  if (l1 === 0 && l2 === 0) return 0;
  let absolutes = 0;
  let squares = 0;
  for (let index = 0; index < weights.length; index += 2) {
    for (const value of weights[index]) {
      absolutes += Math.abs(value);
      squares += value * value;
    }
  }
  return l1 * absolutes + l2 * squares;
}

// src/nearest-neighbours.ts
import * as tf4 from "@tensorflow/tfjs";
var spareCandidates = 16;
var scoresPerChunk = 1 << 21;
async function findNeighbours(points, queries, k, pacer) {
  const result = {
    indices: new Int32Array(queries.count * k),
    squaredDistances: new Float64Array(queries.count * k)
  };
  const shortlist = k + spareCandidates;
  if (shortlist * 2 > points.count) {
    for (let query = 0; query < queries.count; query++) {
      if (!await pacer.mayContinue()) return null;
      measureAll(points, queries, query, k, result);
    }
    return result;
  }
  const norms = squaredNorms(points);
  const largestNorm = norms.reduce((largest, norm) => Math.max(largest, norm), 0);
  const search = createShortlistSearch(points, norms, shortlist);
  try {
    const chunk = Math.max(1, Math.floor(scoresPerChunk / points.count));
    for (let start = 0; start < queries.count; start += chunk) {
      if (!await pacer.mayContinue()) return null;
      const end = Math.min(queries.count, start + chunk);
      const { candidates, scores } = search.run(queries, start, end);
      for (let query = start; query < end; query++) {
        if (!await pacer.mayContinue()) return null;
        const from = (query - start) * shortlist;
        const own = candidates.subarray(from, from + shortlist);
        measureSome(points, queries, query, k, own, result);
        const farthestScore = scores[from + shortlist - 1];
        if (!isSurelyComplete(points.width, largestNorm, queries, query, farthestScore, result.squaredDistances[query * k + k - 1])) {
          measureAll(points, queries, query, k, result);
        }
      }
    }
  } finally {
    search.dispose();
  }
  return result;
}
function isSurelyComplete(width, largestSquaredNorm, queries, query, farthestScore, squaredDistance2) {
  let norm = 0;
  for (let at = query * width; at < (query + 1) * width; at++) norm += queries.values[at] ** 2;
  const reach = largestSquaredNorm + 2 * Math.sqrt(largestSquaredNorm * norm);
  const error = 4 * (width + 6) * 2 ** -24 * reach + 1e-14 * norm + 1e-30;
  return farthestScore - error + norm > squaredDistance2;
}
function createShortlistSearch(points, norms, shortlist) {
  const { count, width } = points;
  const transposed = new Float32Array(width * count);
  for (let row = 0; row < count; row++) {
    for (let column = 0; column < width; column++) transposed[column * count + row] = points.values[row * width + column];
  }
  const doubled = tf4.tidy(() => tf4.mul(tf4.tensor2d(transposed, [width, count]), 2));
  const negativeNorms = tf4.tensor1d(Float32Array.from(norms, (norm) => -norm));
  return {
    run(queries, start, end) {
      return tf4.tidy(() => {
        const part = new Float32Array(queries.values.subarray(start * width, end * width));
        const closeness = tf4.add(tf4.matMul(tf4.tensor2d(part, [end - start, width]), doubled), negativeNorms);
        const { values, indices } = tf4.topk(closeness, shortlist);
        return {
          candidates: Int32Array.from(indices.dataSync()),
          scores: Float32Array.from(values.dataSync(), (value) => -value)
        };
      });
    },
    dispose() {
      tf4.dispose([doubled, negativeNorms]);
    }
  };
}
function squaredNorms({ count, width, values }) {
  const norms = new Float64Array(count);
  for (let row = 0; row < count; row++) {
    for (let at = row * width; at < (row + 1) * width; at++) norms[row] += values[at] ** 2;
  }
  return norms;
}
function squaredDistance(points, point, queries, query) {
  const { width } = points;
  let sum2 = 0;
  for (let column = 0; column < width; column++) {
    const difference = queries.values[query * width + column] - points.values[point * width + column];
    sum2 += difference * difference;
  }
  return sum2;
}
function measureAll(points, queries, query, k, result) {
  const nearest = openRanking(query, k, result);
  for (let point = 0; point < points.count; point++) nearest.offer(point, squaredDistance(points, point, queries, query));
}
function measureSome(points, queries, query, k, candidates, result) {
  const nearest = openRanking(query, k, result);
  for (const point of candidates.slice().sort()) nearest.offer(point, squaredDistance(points, point, queries, query));
}
function openRanking(query, k, result) {
  const distances = result.squaredDistances.subarray(query * k, (query + 1) * k).fill(Infinity);
  const indices = result.indices.subarray(query * k, (query + 1) * k);
  let filled = 0;
  return {
    offer(point, distance) {
      if (filled === k && distance >= distances[k - 1]) return;
      let low = 0;
      let high = filled;
      while (low < high) {
        const middle = low + high >> 1;
        if (distances[middle] <= distance) low = middle + 1;
        else high = middle;
      }
      if (filled < k) filled += 1;
      distances.copyWithin(low + 1, low, filled - 1);
      indices.copyWithin(low + 1, low, filled - 1);
      distances[low] = distance;
      indices[low] = point;
    }
  };
}
function neighbourShares(squaredDistances, weights) {
  const shares = new Float64Array(squaredDistances.length).fill(1);
  if (weights === "distance") {
    const exact = squaredDistances.includes(0);
    shares.forEach((_, at) => {
      shares[at] = exact ? Number(squaredDistances[at] === 0) : 1 / Math.sqrt(squaredDistances[at]);
    });
  }
  const total = shares.reduce((sum2, share) => sum2 + share, 0);
  return shares.map((share) => total > 0 ? share / total : 1 / shares.length);
}

// src/pacer.ts
var turnMilliseconds = 8;
function createPacer(signal) {
  let last = performance.now();
  return {
    async mayContinue() {
      if (performance.now() - last >= turnMilliseconds) {
        await new Promise((resolve) => setImmediate(resolve));
        last = performance.now();
      }
      return !signal?.aborted;
    }
  };
}

// src/predict.ts
async function scoreRows(pipeline, encoded, rows, pacer) {
  const { estimator, target } = pipeline;
  if (estimator.family === "knn") {
    const queries = { count: rows, width: encodedWidth(pipeline.features), values: encoded };
    return scoreByNeighbours(estimator, target.type === "number" ? 0 : target.classes.length, queries, pacer);
  }
  const outputs = networkOutputs(estimator.layers, new Float32Array(encoded), rows);
  if (target.type === "number") {
    return { type: "values", predicted: Float64Array.from(outputs, (value) => value * target.scale + target.mean) };
  }
  return classScores(new Float64Array(outputs), rows, target.classes.length);
}
async function scoreByNeighbours(estimator, classes, queries, pacer) {
  const { k, targets } = estimator;
  const points = { count: targets.length, width: estimator.width, values: estimator.rows };
  const neighbours = await findNeighbours(points, queries, k, pacer);
  if (!neighbours) return null;
  const results = new Float64Array(queries.count * (classes || 1));
  for (let query = 0; query < queries.count; query++) {
    const shares = neighbourShares(neighbours.squaredDistances.subarray(query * k, (query + 1) * k), estimator.weights);
    shares.forEach((share, at) => {
      const target = targets[neighbours.indices[query * k + at]];
      if (classes > 0) results[query * classes + target] += share;
      else results[query] += share * target;
    });
  }
  return classes > 0 ? classScores(results, queries.count, classes) : { type: "values", predicted: results };
}
function classScores(probabilities, rows, classes) {
  const predicted = new Int32Array(rows);
  for (let row = 0; row < rows; row++) {
    let best = 0;
    for (let index = 1; index < classes; index++) {
      if (probabilities[row * classes + index] > probabilities[row * classes + best]) best = index;
    }
    predicted[row] = best;
  }
  return { type: "classes", predicted, probabilities };
}

// src/train.ts
import { createHash as createHash2 } from "node:crypto";

// src/metrics.ts
var smallestProbability = 1e-15;
function scoreClassification(input) {
  const { classes, actual, predicted, probabilities } = input;
  const rows = actual.length;
  if (rows === 0) throw new Error("There are no rows to score");
  const counts = classes.map(() => new Array(classes.length).fill(0));
  let logSum = 0;
  for (let row = 0; row < rows; row++) {
    counts[actual[row]][predicted[row]] += 1;
    const probability = probabilities[row * classes.length + actual[row]];
    logSum -= Math.log(Math.min(1, Math.max(smallestProbability, probability)));
  }
  const predictedCounts = classes.map((_, index) => counts.reduce((sum2, row) => sum2 + row[index], 0));
  const perClass = classes.map((label, index) => {
    const support = counts[index].reduce((sum2, count) => sum2 + count, 0);
    const hits = counts[index][index];
    return {
      label,
      precision: ratio(hits, predictedCounts[index]),
      recall: ratio(hits, support),
      f1: ratio(2 * hits, support + predictedCounts[index]),
      support
    };
  });
  const occurring = perClass.filter((score, index) => score.support > 0 || predictedCounts[index] > 0);
  const macro = {
    precision: mean(occurring.map((score) => score.precision)),
    recall: mean(occurring.map((score) => score.recall)),
    f1: mean(occurring.map((score) => score.f1))
  };
  const positive = classes.length === 2 ? perClass.find((score) => score.label === input.positiveClass) : void 0;
  const headline = positive ?? macro;
  return {
    type: "classification",
    rows,
    accuracy: classes.reduce((sum2, _, index) => sum2 + counts[index][index], 0) / rows,
    balancedAccuracy: mean(perClass.filter((score) => score.support > 0).map((score) => score.recall)),
    precision: headline.precision,
    recall: headline.recall,
    f1: headline.f1,
    positiveClass: positive?.label ?? null,
    macro,
    perClass,
    rocAuc: rocAuc(classes.length, actual, probabilities),
    logLoss: logSum / rows,
    confusionMatrix: { labels: [...classes], counts }
  };
}
function scoreRegression(actual, predicted) {
  const rows = actual.length;
  if (rows === 0) throw new Error("There are no rows to score");
  const centre = mean(actual);
  let squares = 0;
  let absolutes = 0;
  let total = 0;
  for (let row = 0; row < rows; row++) {
    const error = predicted[row] - actual[row];
    squares += error ** 2;
    absolutes += Math.abs(error);
    total += (actual[row] - centre) ** 2;
  }
  return {
    type: "regression",
    rows,
    rmse: Math.sqrt(squares / rows),
    mae: absolutes / rows,
    r2: total > 0 ? 1 - squares / total : null
  };
}
function metricValue(metrics, metric) {
  const value = metrics[metric];
  return typeof value === "number" ? value : null;
}
function rocAuc(classCount, actual, probabilities) {
  const areas = [];
  for (let positive = classCount === 2 ? 1 : 0; positive < classCount; positive++) {
    const scores = Float64Array.from(actual, (_, row) => probabilities[row * classCount + positive]);
    const area = areaUnderRoc(scores, (row) => actual[row] === positive);
    if (area !== null) areas.push(area);
  }
  return areas.length > 0 ? mean(areas) : null;
}
function areaUnderRoc(scores, isPositive) {
  const order = Array.from(scores, (_, row) => row).sort((a, b) => scores[a] - scores[b]);
  let positives = 0;
  let rankSum = 0;
  for (let start = 0; start < order.length; ) {
    let end = start;
    while (end < order.length && scores[order[end]] === scores[order[start]]) end += 1;
    const rank = (start + 1 + end) / 2;
    for (let at = start; at < end; at++) {
      if (!isPositive(order[at])) continue;
      positives += 1;
      rankSum += rank;
    }
    start = end;
  }
  const negatives = order.length - positives;
  if (positives === 0 || negatives === 0) return null;
  return (rankSum - positives * (positives + 1) / 2) / (positives * negatives);
}
var ratio = (part, whole) => whole === 0 ? 0 : part / whole;
function mean(values) {
  let sum2 = 0;
  for (let at = 0; at < values.length; at++) sum2 += values[at];
  return values.length === 0 ? 0 : sum2 / values.length;
}

// src/split.ts
function splitRows(request) {
  const positions = Int32Array.from(request.rows, (_, index) => index);
  const [learning, test] = divide(positions, request.strata, request.trainFraction, request.seed, 0);
  const [train2, validation] = request.validationFraction > 0 ? divide(learning, request.strata, 1 - request.validationFraction, request.seed, 1) : [learning, new Int32Array(0)];
  const toRows = (part) => part.map((position) => request.rows[position]).sort();
  return { train: toRows(train2), validation: toRows(validation), test: toRows(test) };
}
function divide(positions, strata, fraction, seed, stream) {
  const random = createRandom(seed, stream);
  const shuffled = random.permutation(positions.length).map((at) => positions[at]);
  const groups = /* @__PURE__ */ new Map();
  for (const position of shuffled) {
    const stratum = strata ? strata[position] : 0;
    const group = groups.get(stratum);
    if (group) group.push(position);
    else groups.set(stratum, [position]);
  }
  const ordered = [...groups.entries()].sort(([a], [b]) => a - b).map(([, group]) => group);
  const quotas = apportion(ordered.map((group) => group.length), fraction);
  const first = [];
  const second = [];
  ordered.forEach((group, index) => {
    const quota = quotas[index];
    group.forEach((position, at) => (at < quota ? first : second).push(position));
  });
  return [Int32Array.from(first), Int32Array.from(second)];
}
function apportion(sizes, fraction) {
  const total = sizes.reduce((sum2, size) => sum2 + size, 0);
  const wanted = Math.max(1, Math.min(total - 1, Math.round(total * fraction)));
  const quotas = sizes.map((size) => Math.floor(size * fraction + 1e-9));
  const byRemainder = sizes.map((size, index) => ({ index, remainder: size * fraction - quotas[index] })).sort((a, b) => b.remainder - a.remainder || a.index - b.index);
  let missing = wanted - quotas.reduce((sum2, quota) => sum2 + quota, 0);
  for (const { index } of byRemainder) {
    if (missing <= 0) break;
    if (quotas[index] >= sizes[index]) continue;
    quotas[index] += 1;
    missing -= 1;
  }
  return quotas.map((quota, index) => Math.max(1, Math.min(quota, sizes[index])));
}

// src/state-codec.ts
import { createHash } from "node:crypto";
function encodeState(value) {
  const arrays = [];
  const header = Buffer.from(JSON.stringify(detach(value, arrays)));
  const body = [lengthPrefix(header.length), header, padding(4 + header.length)];
  for (const array of arrays) {
    const bytes = Buffer.from(array.buffer, array.byteOffset, array.byteLength);
    body.push(bytes, padding(bytes.length));
  }
  const payload = Buffer.concat(body);
  return Buffer.concat([preamble, digestOf(payload), payload]);
}
function decodeState(bytes) {
  const file2 = Uint8Array.from(bytes);
  const payload = file2.subarray(preamble.length + 32);
  if (!preamble.equals(file2.subarray(0, preamble.length))) return null;
  if (!digestOf(payload).equals(file2.subarray(preamble.length, preamble.length + 32))) return null;
  const headerLength = new DataView(payload.buffer, payload.byteOffset).getUint32(0, true);
  const header = JSON.parse(Buffer.from(payload.subarray(4, 4 + headerLength)).toString());
  let offset = aligned(4 + headerLength);
  return attach(header, (kind, length) => {
    const from = payload.byteOffset + offset;
    const array = new arrayKinds[kind](payload.buffer.slice(from, from + length * arrayKinds[kind].BYTES_PER_ELEMENT));
    offset = aligned(offset + array.byteLength);
    return array;
  });
}
var arrayKinds = { Float32Array, Float64Array, Int32Array };
var preamble = Buffer.from("MRST0001");
var aligned = (length) => Math.ceil(length / 8) * 8;
var padding = (length) => Buffer.alloc(aligned(length) - length);
var digestOf = (bytes) => createHash("sha256").update(bytes).digest();
function lengthPrefix(length) {
  const prefix = Buffer.alloc(4);
  prefix.writeUInt32LE(length);
  return prefix;
}
function detach(value, arrays) {
  if (typeof value === "number" && !Number.isFinite(value)) throw new Error(`${value} cannot be stored`);
  if (value === null || typeof value !== "object") return value;
  if (ArrayBuffer.isView(value)) {
    const kind = Object.prototype.toString.call(value).slice(8, -1);
    if (!(kind in arrayKinds)) throw new Error(`A ${kind} cannot be stored`);
    arrays.push(value);
    return { $array: [kind, value.length] };
  }
  if (Array.isArray(value)) return value.map((item) => detach(item, arrays));
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, detach(item, arrays)]));
}
function attach(value, next) {
  if (value === null || typeof value !== "object") return value;
  if (Array.isArray(value)) return value.map((item) => attach(item, next));
  if ("$array" in value) return next(...value.$array);
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, attach(item, next)]));
}

// src/train.ts
async function train(options) {
  const { table: table2, spec: spec2, signal } = options;
  const problems = [...checkSpecAgainstColumns(spec2, summariseTable(table2)), ...findInfinities(table2, spec2)];
  if (problems.length > 0) return { type: "invalid", problems };
  const backend2 = options.backend ?? await currentBackend();
  await activateBackend(backend2);
  const seed = options.seed ?? spec2.split.seed;
  const data = prepareData(table2, spec2);
  if (data.type === "invalid") return data;
  const emit = async (event) => options.onEvent?.(event);
  const { split, dropped } = data;
  await emit({
    type: "started",
    backend: backend2,
    trials: spec2.models.length,
    rows: { train: split.train.length, validation: split.validation.length, test: split.test.length, dropped }
  });
  const fingerprint = fingerprintOf(table2, spec2, seed);
  const progress = await restoreProgress(options.checkpoint, fingerprint, emit);
  const save = async (trial, current2) => {
    if (!options.checkpoint) return;
    await options.checkpoint.save(encodeState({ fingerprint, ...progress, current: current2 }));
    await emit({ type: "checkpoint", trial, epoch: current2?.dense.epoch ?? 0 });
  };
  for (let model = progress.results.length; model < spec2.models.length; model++) {
    if (signal?.aborted) return { type: "cancelled" };
    const settings = spec2.models[model];
    const parameters = parametersOf(settings, spec2);
    await emit({ type: "trial-started", trial: model, trials: spec2.models.length, family: settings.family, parameters });
    const outcome = await runTrial({
      data,
      spec: spec2,
      settings,
      parameters,
      model,
      seed,
      emit,
      save,
      everyEpochs: Math.max(1, options.checkpoint?.everyEpochs ?? 1),
      current: progress.current?.model === model ? progress.current : null,
      pacer: createPacer(signal)
    });
    progress.current = null;
    if (outcome.type === "cancelled") return outcome;
    if (outcome.type === "finished") {
      const { metrics, fitTimeSeconds, epochs } = outcome.trial;
      progress.results.push({ type: "finished", trial: outcome.trial });
      await emit({ type: "trial-finished", trial: model, metrics, fitTimeSeconds, epochs });
    } else {
      progress.results.push({ type: "failed", problem: outcome.problem });
      await emit({ type: "trial-failed", trial: model, problem: outcome.problem });
    }
    await save(model, null);
  }
  const trials = progress.results.flatMap((result) => result.type === "finished" ? [result.trial] : []);
  const failures = progress.results.flatMap(
    (result, model) => result.type === "failed" ? [{ model, problem: result.problem }] : []
  );
  if (trials.length === 0) return { type: "invalid", problems: failures.map(({ problem }) => problem) };
  const selectionMetric = spec2.selection.metric ?? (taskOf(spec2) === "classification" ? "f1" : "rmse");
  return {
    type: "trained",
    trials,
    best: bestOf(trials, selectionMetric),
    selectionMetric,
    backend: backend2,
    split,
    dropped,
    failures
  };
}
function findInfinities(table2, spec2) {
  const used = [
    ...spec2.inputFeatures.map(({ name }, index) => ({ name, field: `inputFeatures[${index}].name` })),
    { name: spec2.outputFeatures[0].name, field: "outputFeatures[0].name" }
  ];
  return used.flatMap(({ name, field }) => {
    const column = findColumn(table2, name);
    if (column?.type !== "number") return [];
    const row = column.values.findIndex((value) => Math.abs(value) === Infinity);
    if (row < 0) return [];
    return [{ field, message: `"${name}" is infinite in row ${row + 1}.`, remedy: "Correct the value or leave the cell empty." }];
  });
}
function prepareData(table2, spec2) {
  const output = spec2.outputFeatures[0];
  const column = findColumn(table2, output.name);
  const allRows = Int32Array.from({ length: table2.rows }, (_, row) => row);
  const rows = allRows.filter((row) => categoryAt(column, row) !== null);
  const { target, truth } = readTarget(column, output, rows, table2.rows);
  const strata = splitTypeOf(spec2) === "stratified" ? Int32Array.from(rows, (row) => truth[row]) : null;
  const split = splitRows({
    rows,
    strata,
    trainFraction: spec2.split.trainFraction,
    seed: spec2.split.seed,
    validationFraction: needsValidation(spec2) ? spec2.split.validationFraction : 0
  });
  const problems = [];
  if (needsValidation(spec2) && split.validation.length === 0) {
    problems.push({
      field: "split.validationFraction",
      message: "There are too few rows to hold any back for validation.",
      remedy: "Add rows, or train one model without an early stop."
    });
  }
  if (target.task === "classification") {
    const learned = new Set(Array.from(split.train, (row) => truth[row]));
    const absent = target.classes.filter((_, index) => !learned.has(index));
    if (absent.length > 0) {
      problems.push({
        field: "split.type",
        message: `No training row is of class ${absent.slice(0, 3).map((label) => `"${label}"`).join(", ")}.`,
        remedy: "Use a stratified split, another seed, or a larger training share."
      });
    }
  }
  if (problems.length > 0) return { type: "invalid", problems };
  return { type: "prepared", table: table2, target, truth, split, dropped: table2.rows - rows.length };
}
function readTarget(column, output, rows, tableRows) {
  const truth = new Float64Array(tableRows);
  if (output.type === "number") {
    for (const row of rows) truth[row] = column.values[row];
    return { target: { task: "regression", name: output.name }, truth };
  }
  const counts = /* @__PURE__ */ new Map();
  for (const row of rows) {
    const label = categoryAt(column, row);
    counts.set(label, (counts.get(label) ?? 0) + 1);
  }
  const classes = [...counts.keys()].sort(inCodeUnitOrder);
  const places = new Map(classes.map((label, index) => [label, index]));
  for (const row of rows) truth[row] = places.get(categoryAt(column, row));
  const [first, second] = classes;
  const rarer = counts.get(first) < counts.get(second) ? first : second;
  const positiveClass = classes.length === 2 ? output.positiveClass ?? rarer : null;
  return { target: { task: "classification", name: output.name, type: output.type, classes, positiveClass }, truth };
}
function fitTarget(data, rows) {
  const { target, truth } = data;
  if (target.task === "classification") return { name: target.name, type: target.type, classes: target.classes };
  const mean2 = rows.reduce((sum2, row) => sum2 + truth[row], 0) / rows.length;
  const variance = rows.reduce((sum2, row) => sum2 + (truth[row] - mean2) ** 2, 0) / rows.length;
  const constant = rows.every((row) => truth[row] === truth[rows[0]]);
  return { name: target.name, type: "number", mean: mean2, scale: constant ? 1 : Math.sqrt(variance) || 1 };
}
function scoresToMetrics(data, rows, scores) {
  const actual = Float64Array.from(rows, (row) => data.truth[row]);
  if (scores.type === "values") return scoreRegression(actual, scores.predicted);
  if (data.target.task !== "classification") throw new Error("Class scores for a regression");
  const { classes, positiveClass } = data.target;
  return scoreClassification({ classes, positiveClass, actual: Int32Array.from(actual), ...scores });
}
function scoreBaseline(data) {
  const learned = data.split.train;
  const { test } = data.split;
  if (data.target.task === "regression") {
    const mean2 = learned.reduce((sum2, row) => sum2 + data.truth[row], 0) / learned.length;
    return scoresToMetrics(data, test, { type: "values", predicted: new Float64Array(test.length).fill(mean2) });
  }
  const shares = data.target.classes.map(() => 0);
  for (const row of learned) shares[data.truth[row]] += 1 / learned.length;
  const majority = shares.indexOf(Math.max(...shares));
  return scoresToMetrics(data, test, {
    type: "classes",
    predicted: new Int32Array(test.length).fill(majority),
    probabilities: Float64Array.from({ length: test.length * shares.length }, (_, at) => shares[at % shares.length])
  });
}
async function runTrial(run) {
  const { data, settings, pacer } = run;
  const { train: train2, validation, test } = data.split;
  const first = settings.family === "knn" ? fitNeighbours(data, run.spec, settings, train2) : await fitNetwork(run, settings);
  if (first.type !== "fitted") return first;
  let validationMetrics = null;
  if (validation.length > 0) {
    validationMetrics = await scorePipeline(data, first.fit.pipeline, validation, pacer);
    if (!validationMetrics) return { type: "cancelled" };
  }
  const final = settings.family === "knn" && validation.length > 0 ? fitNeighbours(data, run.spec, settings, joined(train2, validation)) : first;
  if (final.type !== "fitted") return final;
  const testMetrics = await scorePipeline(data, final.fit.pipeline, test, pacer);
  if (!testMetrics) return { type: "cancelled" };
  const { pipeline, seconds, epochs, bestEpoch, history } = final.fit;
  return {
    type: "finished",
    trial: {
      model: run.model,
      family: settings.family,
      parameters: run.parameters,
      pipeline,
      metrics: { validation: validationMetrics, test: testMetrics, baseline: scoreBaseline(data) },
      fitTimeSeconds: seconds,
      epochs,
      bestEpoch,
      history
    }
  };
}
function joined(a, b) {
  const rows = new Int32Array(a.length + b.length);
  rows.set(a);
  rows.set(b, a.length);
  return rows.sort();
}
async function scorePipeline(data, pipeline, rows, pacer) {
  const scores = await scoreRows(pipeline, encodeRows(pipeline.features, data.table, rows), rows.length, pacer);
  return scores && scoresToMetrics(data, rows, scores);
}
function fitNeighbours(data, spec2, settings, rows) {
  const begun = performance.now();
  const fitted = fitFeatures(data.table, spec2.inputFeatures, rows, settings.scaling);
  if (fitted.type === "invalid") return { type: "failed", problem: fitted.problems[0] };
  const truths = Float64Array.from(rows, (row) => data.truth[row]);
  const estimator = {
    family: "knn",
    k: settings.k,
    weights: settings.weights,
    rows: encodeRows(fitted.features, data.table, rows),
    width: encodedWidth(fitted.features),
    targets: data.target.task === "classification" ? Int32Array.from(truths) : truths
  };
  const pipeline = { features: fitted.features, target: fitTarget(data, rows), estimator };
  const seconds = (performance.now() - begun) / 1e3;
  return { type: "fitted", fit: { pipeline, seconds, epochs: 0, bestEpoch: 0, history: [] } };
}
async function fitNetwork(run, settings) {
  const { data, spec: spec2, model } = run;
  const { trainer } = spec2;
  const begun = performance.now() - (run.current?.seconds ?? 0) * 1e3;
  const elapsed = () => (performance.now() - begun) / 1e3;
  const { train: train2, validation } = data.split;
  const fitted = fitFeatures(data.table, spec2.inputFeatures, train2);
  if (fitted.type === "invalid") return { type: "failed", problem: fitted.problems[0] };
  const target = fitTarget(data, train2);
  const validationTruth = Float64Array.from(validation, (row) => data.truth[row]);
  const outcome = await trainDense({
    settings,
    trainer,
    classes: target.type === "number" ? 0 : target.classes.length,
    train: examplesOf(data, fitted.features, target, train2),
    validation: validation.length > 0 ? examplesOf(data, fitted.features, target, validation) : null,
    seed: run.seed,
    trial: model,
    resume: run.current?.dense ?? null,
    pacer: run.pacer,
    async onEpoch(state, result, outputs) {
      await run.emit({
        type: "epoch",
        trial: model,
        epochs: trainer.epochs,
        ...result,
        metrics: outputs ? quickMetrics(outputs, validationTruth, target) : {}
      });
      if (state.epoch % run.everyEpochs === 0) await run.save(model, { model, seconds: elapsed(), dense: state });
    }
  });
  if (outcome.type === "cancelled") return outcome;
  if (outcome.type === "diverged") {
    return {
      type: "failed",
      problem: {
        field: "trainer.learningRate",
        message: `The loss of models[${model}] grew beyond all numbers in epoch ${outcome.epoch}.`,
        remedy: `Lower the learning rate (now ${trainer.learningRate}), for example to ${trainer.learningRate / 10}.`
      }
    };
  }
  const estimator = { family: "dense", layers: outcome.layers };
  return {
    type: "fitted",
    fit: {
      pipeline: { features: fitted.features, target, estimator },
      seconds: elapsed(),
      epochs: outcome.epochs,
      bestEpoch: outcome.bestEpoch,
      history: outcome.history
    }
  };
}
function examplesOf(data, features, target, rows) {
  return {
    rows: rows.length,
    width: encodedWidth(features),
    inputs: new Float32Array(encodeRows(features, data.table, rows)),
    targets: Float32Array.from(
      rows,
      (row) => target.type === "number" ? (data.truth[row] - target.mean) / target.scale : data.truth[row]
    )
  };
}
function quickMetrics(outputs, truth, target) {
  if (target.type === "number") {
    const squares = truth.reduce((sum2, value, row) => sum2 + (outputs[row] * target.scale + target.mean - value) ** 2, 0);
    return { rmse: Math.sqrt(squares / truth.length) };
  }
  const width = target.classes.length;
  const hits = truth.filter((index, row) => {
    const own = outputs.subarray(row * width, (row + 1) * width);
    return own.indexOf(Math.max(...own)) === index;
  });
  return { accuracy: hits.length / truth.length };
}
function parametersOf(settings, spec2) {
  const { family, ...own } = settings;
  return family === "dense" ? { ...own, ...spec2.trainer } : own;
}
function bestOf(trials, metric) {
  const sign = selectionMetrics[metric].direction === "higher" ? 1 : -1;
  const merit = ({ metrics }) => {
    const value = metricValue(metrics.validation ?? metrics.test, metric);
    return value === null ? -Infinity : sign * value;
  };
  return trials.reduce((best, trial, index) => merit(trial) > merit(trials[best]) ? index : best, 0);
}
async function restoreProgress(checkpoint, fingerprint, emit) {
  const fresh = { results: [], current: null };
  const bytes = await checkpoint?.load();
  if (!bytes) return fresh;
  const stored = decodeState(bytes);
  if (!stored || stored.fingerprint !== fingerprint) {
    const reason = stored ? "it belongs to other data or another configuration" : "it is damaged or of another format";
    await emit({ type: "checkpoint-ignored", reason });
    return fresh;
  }
  await emit({
    type: "resumed",
    trial: stored.current?.model ?? stored.results.length,
    epoch: stored.current?.dense.epoch ?? 0
  });
  return { results: stored.results, current: stored.current };
}
function fingerprintOf(table2, spec2, seed) {
  const hash = createHash2("sha256").update(JSON.stringify({ spec: spec2, seed, rows: table2.rows }));
  for (const { name } of [...spec2.inputFeatures, ...spec2.outputFeatures]) {
    const column = findColumn(table2, name);
    hash.update(column.type);
    if (column.type === "number") {
      hash.update(new Uint8Array(column.values.buffer, column.values.byteOffset, column.values.byteLength));
    } else {
      for (let at = 0; at < table2.rows; at += 1e4) hash.update(JSON.stringify(column.values.slice(at, at + 1e4)));
    }
  }
  return hash.digest("hex");
}

// test/sample-tables.ts
function specFor(table2, target, rest = {}, leaveOut = []) {
  const inputs = table2.columns.filter(({ name }) => name !== target.name && !leaveOut.includes(name));
  const parsed = parseTrainingSpec({
    inputFeatures: inputs.map(({ name, type }) => ({ name, type })),
    outputFeatures: [target],
    ...rest
  });
  if (parsed.type === "invalid") throw new Error(JSON.stringify(parsed.problems));
  return parsed.spec;
}
function madeUpTable(rows, seed) {
  const random = createRandom(seed);
  const x = Float64Array.from({ length: rows }, () => random.uniform() * 10 - 5);
  const z3 = Float64Array.from({ length: rows }, () => random.below(12) === 0 ? NaN : random.uniform() * 100);
  const colour = Array.from({ length: rows }, () => ["red", "green", "blue", null][random.below(4)]);
  const score = Array.from(x, (value, row) => value + (Number.isNaN(z3[row]) ? 50 : z3[row]) / 25 + (colour[row] === "red" ? 2 : 0));
  return {
    rows,
    columns: [
      { name: "x", type: "number", values: x },
      { name: "z", type: "number", values: z3 },
      { name: "colour", type: "category", values: colour },
      { name: "grade", type: "category", values: score.map((value) => value > 4 ? "high" : value > 0 ? "middle" : "low") },
      { name: "passed", type: "binary", values: score.map((value) => value > 5 ? "yes" : "no") },
      { name: "amount", type: "number", values: Float64Array.from(score, (value) => 1e3 + 50 * value) }
    ]
  };
}

// k.ts
var [, , file, prefer] = process.argv;
var table = madeUpTable(1500, 1);
var spec = specFor(table, { name: "grade", type: "category" }, { models: [{ family: "dense" }, { family: "knn" }, { family: "dense", hiddenLayers: [16] }], trainer: { epochs: 25, earlyStop: { patience: 8 } } }, ["passed", "amount"]);
var o = await train({ table, spec, backend: await selectBackend({ prefer }), checkpoint: { everyEpochs: 1, load: async () => existsSync(file) ? readFileSync(file) : null, save: async (b) => {
  writeFileSync(file + ".t", b);
  renameSync(file + ".t", file);
} } });
if (o.type === "trained") {
  const h = createHash3("sha256");
  for (const t of o.trials) {
    if (t.pipeline.estimator.family === "dense") for (const l of t.pipeline.estimator.layers) h.update(l.kernel).update(l.bias);
    h.update(JSON.stringify(t.metrics));
  }
  console.log("DIGEST", h.digest("hex"));
}

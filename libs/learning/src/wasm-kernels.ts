import * as tf from '@tensorflow/tfjs';
import type { BackendWasm } from '@tensorflow/tfjs-backend-wasm';

/**
 * Kernels that the WebAssembly backend 4.22 lacks, has wrong, or has slow:
 *
 * - UnsortedSegmentSum (gradient of gather and embedding), Conv2DBackpropFilter and both depthwise back-propagations
 *   are missing;
 * - MaxPoolGrad drops the gradient of some windows without a word;
 * - BatchMatMul is fast only without transposes, and every gradient of a dense layer transposes;
 * - Conv2DBackpropInput is a plain loop.
 *
 * They work on views of the wasm heap. A view dies when the heap grows, so each kernel allocates first and takes its
 * views afterwards.
 */
export function registerWasmKernels(): void {
  replaceKernel('UnsortedSegmentSum', unsortedSegmentSum);
  replaceKernel('Conv2DBackpropFilter', conv2dBackpropFilter);
  replaceKernel('DepthwiseConv2dNativeBackpropFilter', depthwiseBackpropFilter);
  replaceKernel('DepthwiseConv2dNativeBackpropInput', depthwiseBackpropInput);
  replaceKernel('MaxPoolGrad', maxPoolGrad);
  wrapOnce();
}

type Kernel = (call: KernelCall) => tf.TensorInfo;

interface KernelCall {
  inputs: Record<string, tf.TensorInfo>;
  attrs: Record<string, unknown>;
  backend: BackendWasm;
}

function replaceKernel(kernelName: string, kernel: Kernel): void {
  if (tf.getKernel(kernelName, 'wasm')) tf.unregisterKernel(kernelName, 'wasm');
  tf.registerKernel({ kernelName, backendName: 'wasm', kernelFunc: kernel as unknown as tf.KernelFunc });
}

function kernelOf(kernelName: string): Kernel {
  return tf.getKernel(kernelName, 'wasm').kernelFunc as unknown as Kernel;
}

type Floats = Float32Array;
const floats = (backend: BackendWasm, info: tf.TensorInfo) => backend.typedArrayFromHeap(info) as Floats;

const unsortedSegmentSum: Kernel = ({ inputs, attrs, backend }) => {
  const x = inputs['x']!;
  const segmentIds = inputs['segmentIds']!;
  const segments = attrs['numSegments'] as number;
  const inner = x.shape.slice(segmentIds.shape.length);
  const width = inner.reduce((size, length) => size * length, 1);
  const result = backend.makeOutput([segments, ...inner], x.dtype);
  const sums = backend.typedArrayFromHeap(result).fill(0);
  const values = backend.typedArrayFromHeap(x);
  const ids = backend.typedArrayFromHeap(segmentIds);
  for (let at = 0; at < ids.length; at++) {
    const segment = ids[at]!;
    if (segment < 0 || segment >= segments) continue;
    for (let j = 0; j < width; j++) sums[segment * width + j]! += values[at * width + j]!;
  }
  return result;
};

interface ConvolutionAttributes {
  strides: [number, number] | number;
  dilations: [number, number] | number;
  pad: Parameters<typeof tf.backend_util.computeConv2DInfo>[4];
  dimRoundingMode?: 'floor' | 'round' | 'ceil';
  dataFormat?: 'NHWC' | 'NCHW';
  filterShape?: [number, number, number, number];
  inputShape?: [number, number, number, number];
}

type Shape4 = [number, number, number, number];
type Window = ReturnType<typeof tf.backend_util.computeConv2DInfo>;

function convolutionWindow(inputShape: Shape4, filterShape: Shape4, attrs: ConvolutionAttributes, depthwise: boolean): Window {
  return tf.backend_util.computeConv2DInfo(
    inputShape, filterShape, attrs.strides, attrs.dilations ?? 1, attrs.pad, attrs.dimRoundingMode, depthwise,
    tf.backend_util.convertConv2DDataFormat(attrs.dataFormat ?? 'NHWC'),
  );
}

/** dFilter = patches(x) · dy: what lies under each tap of the filter is laid out as a row, then one matrix product. */
const conv2dBackpropFilter: Kernel = ({ inputs, attrs, backend }) => {
  const x = inputs['x']!;
  const dy = inputs['dy']!;
  const options = attrs as unknown as ConvolutionAttributes;
  if (options.dataFormat === 'NCHW') throw new Error('Conv2DBackpropFilter on wasm takes NHWC only');
  const filterShape = options.filterShape!;
  const conv = convolutionWindow(x.shape as Shape4, filterShape, options, false);
  const taps = conv.filterHeight * conv.filterWidth * conv.inChannels;
  const outputs = conv.batchSize * conv.outHeight * conv.outWidth;
  const patches = backend.makeOutput([1, taps, outputs], 'float32');
  layOutPatches(conv, floats(backend, x), floats(backend, patches));
  const product = kernelOf('BatchMatMul')({
    inputs: { a: patches, b: { dataId: dy.dataId, dtype: dy.dtype, shape: [1, outputs, conv.outChannels] } },
    attrs: { transposeA: false, transposeB: false },
    backend,
  });
  backend.disposeData(patches.dataId);
  return { dataId: product.dataId, dtype: product.dtype, shape: filterShape };
};

/** [taps, outputs]: a tap is a place of the filter and a channel. Written in order, which matters more than reading so. */
function layOutPatches(conv: Window, image: Floats, patches: Floats): void {
  const { batchSize, inHeight, inWidth, outHeight, outWidth, inChannels: channels, strideHeight, strideWidth, padInfo } = conv;
  const step = strideWidth * channels;
  let to = 0;
  for (let tapY = 0; tapY < conv.filterHeight; tapY++) {
    for (let tapX = 0; tapX < conv.filterWidth; tapX++) {
      const left = tapX * conv.dilationWidth - padInfo.left;
      const first = Math.min(outWidth, Math.max(0, Math.ceil(-left / strideWidth)));
      const last = Math.max(first, Math.min(outWidth, Math.floor((inWidth - 1 - left) / strideWidth) + 1));
      for (let channel = 0; channel < channels; channel++) {
        for (let batch = 0; batch < batchSize; batch++) {
          for (let outY = 0; outY < outHeight; outY++) {
            const y = outY * strideHeight + tapY * conv.dilationHeight - padInfo.top;
            if (y < 0 || y >= inHeight) {
              patches.fill(0, to, to + outWidth);
            } else {
              patches.fill(0, to, to + first);
              let from = ((batch * inHeight + y) * inWidth + first * strideWidth + left) * channels + channel;
              for (let outX = first; outX < last; outX++, from += step) patches[to + outX] = image[from]!;
              patches.fill(0, to + last, to + outWidth);
            }
            to += outWidth;
          }
        }
      }
    }
  }
}

/**
 * With a stride of 1 the gradient of the input is a convolution itself: of dy, with the filter turned by half a turn and its
 * channels exchanged. The forward kernel does that several times faster than the shipped one, which other strides keep.
 */
function withFastInputGradient(shipped: Kernel): Kernel {
  return ({ inputs, attrs, backend }) => {
    const dy = inputs['dy']!;
    const filter = inputs['filter']!;
    const options = attrs as unknown as ConvolutionAttributes;
    const conv = convolutionWindow(options.inputShape!, filter.shape as Shape4, options, false);
    const isPlain = conv.strideHeight === 1 && conv.strideWidth === 1 && conv.dilationHeight === 1 && conv.dilationWidth === 1 && (options.dataFormat ?? 'NHWC') === 'NHWC';
    const { filterHeight, filterWidth, inChannels, outChannels } = conv;
    const [top, left] = [filterHeight - 1 - conv.padInfo.top, filterWidth - 1 - conv.padInfo.left];
    const [bottom, right] = [filterHeight - 1 - conv.padInfo.bottom, filterWidth - 1 - conv.padInfo.right];
    if (!isPlain || Math.min(top, left, bottom, right) < 0) return shipped({ inputs, attrs, backend });
    const turned = backend.makeOutput([filterHeight, filterWidth, outChannels, inChannels], 'float32');
    const [to, from] = [floats(backend, turned), floats(backend, filter)];
    const places = filterHeight * filterWidth;
    for (let place = 0; place < places; place++) {
      for (let own = 0; own < inChannels; own++) {
        for (let other = 0; other < outChannels; other++) to[((places - 1 - place) * outChannels + other) * inChannels + own] = from[(place * inChannels + own) * outChannels + other]!;
      }
    }
    const gradient = kernelOf('Conv2D')({
      inputs: { x: dy, filter: turned },
      attrs: { strides: [1, 1], dilations: [1, 1], dataFormat: 'NHWC', pad: [[0, 0], [top, bottom], [left, right], [0, 0]] },
      backend,
    });
    backend.disposeData(turned.dataId);
    return gradient;
  };
}

/** Calls back for every (output pixel, filter tap) whose input pixel lies inside the image, with flat offsets. */
function forEachTap(conv: Window, visit: (input: number, output: number, tap: number) => void): void {
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

const depthwiseBackpropFilter: Kernel = ({ inputs, attrs, backend }) => {
  const options = attrs as unknown as ConvolutionAttributes;
  const filterShape = options.filterShape!;
  const conv = convolutionWindow(inputs['x']!.shape as Shape4, filterShape, options, true);
  const multiplier = conv.outChannels / conv.inChannels;
  const result = backend.makeOutput(filterShape, 'float32');
  const gradient = floats(backend, result).fill(0);
  const x = floats(backend, inputs['x']!);
  const dy = floats(backend, inputs['dy']!);
  forEachTap(conv, (input, output, tap) => {
    for (let channel = 0; channel < conv.outChannels; channel++) {
      gradient[tap + channel]! += x[input + Math.floor(channel / multiplier)]! * dy[output + channel]!;
    }
  });
  return result;
};

const depthwiseBackpropInput: Kernel = ({ inputs, attrs, backend }) => {
  const options = attrs as unknown as ConvolutionAttributes;
  const inputShape = options.inputShape!;
  const conv = convolutionWindow(inputShape, inputs['filter']!.shape as Shape4, options, true);
  const multiplier = conv.outChannels / conv.inChannels;
  const result = backend.makeOutput(inputShape, 'float32');
  const gradient = floats(backend, result).fill(0);
  const filter = floats(backend, inputs['filter']!);
  const dy = floats(backend, inputs['dy']!);
  forEachTap(conv, (input, output, tap) => {
    for (let channel = 0; channel < conv.outChannels; channel++) {
      gradient[input + Math.floor(channel / multiplier)]! += filter[tap + channel]! * dy[output + channel]!;
    }
  });
  return result;
};

/** The gradient goes to the first largest input of each window, as the plain JavaScript backend does it. */
const maxPoolGrad: Kernel = ({ inputs, attrs, backend }) => {
  const input = inputs['input']!;
  const options = attrs as unknown as ConvolutionAttributes & { filterSize: [number, number] | number };
  const pool = tf.backend_util.computePool2DInfo(
    input.shape as Shape4, options.filterSize, options.strides, 1, options.pad, options.dimRoundingMode,
  );
  const result = backend.makeOutput(input.shape, 'float32');
  const gradient = floats(backend, result).fill(0);
  const values = floats(backend, input);
  const dy = floats(backend, inputs['dy']!);
  const channels = pool.inChannels;
  if (isHalving(pool)) {
    shareHalves(pool, values, dy, gradient);
    return result;
  }
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
              if (values[at]! > best) {
                best = values[at]!;
                winner = at;
              }
            }
          }
          if (winner >= 0) gradient[winner]! += dy[output + channel]!;
        }
      }
    }
  }
  return result;
};

type Pool = ReturnType<typeof tf.backend_util.computePool2DInfo>;

/** The usual pooling: windows of 2 × 2 side by side, none over the edge. */
const isHalving = ({ strideHeight, strideWidth, effectiveFilterHeight, effectiveFilterWidth, padInfo }: Pool): boolean =>
  [strideHeight, strideWidth, effectiveFilterHeight, effectiveFilterWidth].every((size) => size === 2) && Object.values(padInfo).every((pad) => pad === 0 || typeof pad !== 'number');

function shareHalves({ batchSize, inHeight, inWidth, outHeight, outWidth, inChannels: channels }: Pool, values: Floats, dy: Floats, gradient: Floats): void {
  const row = inWidth * channels;
  let output = 0;
  for (let batch = 0; batch < batchSize; batch++) {
    for (let outY = 0; outY < outHeight; outY++) {
      for (let outX = 0; outX < outWidth; outX++) {
        let at = ((batch * inHeight + 2 * outY) * inWidth + 2 * outX) * channels;
        for (let channel = 0; channel < channels; channel++, at++) {
          let winner = at;
          let best = values[at]!;
          if (values[at + channels]! > best) best = values[(winner = at + channels)]!;
          if (values[at + row]! > best) best = values[(winner = at + row)]!;
          if (values[at + row + channels]! > best) winner = at + row + channels;
          gradient[winner] = dy[output++]!;
        }
      }
    }
  }
}

let isWrapped = false;

/** What builds on a shipped kernel takes its place once: twice, and it would build on itself. */
function wrapOnce(): void {
  if (isWrapped) return;
  isWrapped = true;
  wrapMatMul();
  replaceKernel('Conv2DBackpropInput', withFastInputGradient(kernelOf('Conv2DBackpropInput')));
}

/** Transposes first and multiplies then: the product's fast path takes untransposed matrices only. */
function wrapMatMul(): void {
  const config = tf.getKernel('BatchMatMul', 'wasm');
  const multiply = config.kernelFunc as unknown as Kernel;
  const transpose = kernelOf('Transpose');
  const transposed = (x: tf.TensorInfo, backend: BackendWasm) => {
    const rank = x.shape.length;
    const perm = x.shape.map((_, axis) => (axis === rank - 1 ? rank - 2 : axis === rank - 2 ? rank - 1 : axis));
    return transpose({ inputs: { x }, attrs: { perm }, backend });
  };
  const kernel: Kernel = ({ inputs, attrs, backend }) => {
    if (!attrs['transposeA'] && !attrs['transposeB']) return multiply({ inputs, attrs, backend });
    const a = attrs['transposeA'] ? transposed(inputs['a']!, backend) : inputs['a']!;
    const b = attrs['transposeB'] ? transposed(inputs['b']!, backend) : inputs['b']!;
    const product = multiply({ inputs: { a, b }, attrs: { transposeA: false, transposeB: false }, backend });
    if (a !== inputs['a']) backend.disposeData(a.dataId);
    if (b !== inputs['b']) backend.disposeData(b.dataId);
    return product;
  };
  replaceKernel('BatchMatMul', kernel);
}

import type { GivenPicture, GivenSignature } from './given-signature.ts';
import { type ReadGraph, type ReadValue, UnfitModel } from './read-graph.ts';
import { type ImageInput, largestPicture, largestShortSide } from './signature.ts';
import type { PictureNumbers } from './write-picture.ts';

/** How a foreign graph wants a picture. */
export interface GraphPicture {
  /** as the graph calls its input */
  input: string;
  /** TensorProto.DataType */
  type: number;
  image: ImageInput;
  isChannelsFirst: boolean;
  /** null: the pixels as they are, as bytes */
  numbers: PictureNumbers | null;
}

/** TensorProto.DataType */
const FLOAT = 1;
const UINT8 = 2;
const FLOAT16 = 10;
const DOUBLE = 11;

const example = 'Give {inputs: [{name, type: "image", range: [0, 1], mean, std}], output: {type, classes, scores}} as signature.';

/**
 * What a graph says of the picture that it looks at, with what is given added and held against it. Null where it looks at none.
 * Nothing is guessed that would change answers without anybody's noticing: which numbers pixels become must be told.
 * @throws UnfitModel
 */
export function inferPicture(graph: ReadGraph, given: GivenSignature | undefined): GraphPicture | null {
  const told = given?.inputs?.find((input) => input.type === 'image');
  const four = graph.inputs.find(({ type, shape }) => type !== null && shape?.length === 4);
  if (!told && !four) return null;
  const [input] = graph.inputs;
  if (!input || graph.inputs.length !== 1) {
    throw new UnfitModel('picture_beside', (four ?? graph.inputs[0])?.name.slice(0, 100) ?? 'inputs', `The model has ${graph.inputs.length} inputs; a picture is taken alone.`, 'Export a model with one input, the picture.');
  }
  const field = input.name.slice(0, 100);
  if (!told) throw new UnfitModel('signature_needed', field, `The input ${field} has four dimensions, as pictures have, and does not say what becomes of their pixels.`, example);
  if (given!.inputs!.length !== 1) throw unfit('inputs', `The signature has ${given!.inputs!.length} inputs; a picture is the only one.`, 'Name the picture alone.');
  const { type } = input;
  if (type === null || ![FLOAT, UINT8, FLOAT16, DOUBLE].includes(type)) {
    throw new UnfitModel('input_type', field, `The input ${field} is of a type that no picture is made of.`, 'Use float, float16, double or uint8.');
  }
  const shape = input.shape ?? ['?', '?', '?', '?'];
  if (shape.length !== 4) throw new UnfitModel('input_shape', field, `The input ${field} has ${shape.length} dimensions.`, 'Export a model of [rows, channels, height, width] or [rows, height, width, channels].');
  const isChannelsFirst = (told.layout ?? layoutOf(field, shape)) === 'nchw';
  const [height, width, channels] = (isChannelsFirst ? [2, 3, 1] : [1, 2, 3]).map((place) => shape[place]!) as [number | string, number | string, number | string];
  const image: ImageInput = {
    name: told.name,
    type: 'image',
    required: true,
    width: sizeOf(field, 'width', width, told.width),
    height: sizeOf(field, 'height', height, told.height),
    channels: channelsOf(field, channels, told.channels),
    ...(told.shortSide === undefined ? {} : { shortSide: told.shortSide }),
  };
  if (image.width > largestPicture || image.height > largestPicture) {
    throw new UnfitModel('picture_size', field, `The model looks at ${image.width} × ${image.height} pixels; at most ${largestPicture} × ${largestPicture} are taken.`, 'Export it for smaller pictures.');
  }
  const least = Math.max(image.width, image.height);
  if (told.shortSide !== undefined && (told.shortSide < least || told.shortSide > largestShortSide)) {
    throw unfit('inputs.0.shortSide', `No middle of ${image.width} × ${image.height} pixels is cut out of pictures whose shorter side has ${told.shortSide}.`, `Give ${least} to ${largestShortSide}, or leave it out to have pictures stretched.`);
  }
  return { input: input.name, type, image, isChannelsFirst, numbers: type === UINT8 ? bytesOnly(told) : numbersOf(field, told, image.channels) };
}

/** Whether an input takes one row at a time, as networks do that were exported for one sample. @throws UnfitModel for another fixed number of rows */
export function takesOneRow({ name, shape }: ReadValue): boolean {
  const rows = shape?.[0];
  if (typeof rows !== 'number' || rows === 0) return false;
  if (rows === 1) return true;
  const field = name.slice(0, 100);
  throw new UnfitModel('fixed_rows', field, `The input ${field} takes exactly ${rows} rows at a time.`, 'Export the model with a variable number of rows (in PyTorch: dynamic_axes or dynamic_shapes), or for one.');
}

/** Which dimension is the channels: the only one of the two that it may be that has 1 or 3. */
function layoutOf(field: string, shape: (number | string)[]): 'nchw' | 'nhwc' {
  const [second, last] = [shape[1]!, shape[3]!];
  const [isSecond, isLast] = [isChannelCount(second), isChannelCount(last)];
  if (isSecond !== isLast) return isSecond ? 'nchw' : 'nhwc';
  if (!isSecond && typeof second === 'number' && typeof last === 'number') throw unfitChannels(field, `${second} or ${last}`);
  const message = `The dimensions of ${field}, [${shape.join(', ')}], do not say where its channels stand.`;
  throw new UnfitModel('layout_unclear', field, message, 'Give "layout": "nchw" (channels before height and width, as PyTorch has them) or "nhwc" (after them, as Keras has them).');
}

const isChannelCount = (size: number | string): size is 1 | 3 => size === 1 || size === 3;

const unfitChannels = (field: string, found: number | string): UnfitModel =>
  new UnfitModel('channels', field, `The input ${field} has ${found} channels; pictures have 1 (grey) or 3 (colour).`, 'Export a model of grey or coloured pictures.');

function channelsOf(field: string, found: number | string, told: 1 | 3 | undefined): 1 | 3 {
  if (typeof found !== 'number') {
    if (told !== undefined) return told;
    throw new UnfitModel('signature_needed', field, `The input ${field} does not say how many channels it has.`, 'Give "channels": 1 (grey) or 3 (colour).');
  }
  if (!isChannelCount(found)) throw unfitChannels(field, found);
  if (told !== undefined && told !== found) throw unfit('inputs.0.channels', `The signature says ${told} channels, the model ${found}.`, `Say ${found}, or leave it out.`);
  return found;
}

function sizeOf(field: string, side: 'width' | 'height', found: number | string, told: number | undefined): number {
  if (typeof found !== 'number' || found === 0) {
    if (told !== undefined) return told;
    throw new UnfitModel('signature_needed', field, `The input ${field} does not say its ${side}.`, `Give the ${side} in pixels that the model was trained with.`);
  }
  if (told !== undefined && told !== found) throw unfit(`inputs.0.${side}`, `The signature says a ${side} of ${told}, the model ${found}.`, `Say ${found}, or leave it out.`);
  return found;
}

function bytesOnly({ range, mean, std, order }: GivenPicture): null {
  if (mean === undefined && std === undefined && order !== 'bgr' && (range === undefined || (range[0] === 0 && range[1] === 255))) return null;
  throw unfit('inputs.0', 'The model takes pixels as bytes; the signature says what shall become of them before.', 'Leave out range, mean, std and order, or export the model for float pixels.');
}

/** ((pixel / 255) · (high - low) + low - mean) / std as (pixel - mean') / scale', by channel: worked out in float64, kept as float32. */
function numbersOf(field: string, { range, mean = 0, std = 1, order }: GivenPicture, channels: 1 | 3): PictureNumbers {
  if (!range) {
    const remedy = 'Give "range": [0, 1] if they are divided by 255 (as PyTorch’s ToTensor does), [-1, 1] or [0, 255], and "mean" and "std" if they were normalised.';
    throw new UnfitModel('signature_needed', field, `The model takes numbers, and does not say which ones pixels from 0 to 255 become.`, remedy);
  }
  const [low, high] = range;
  if (low === high) throw unfit('inputs.0.range', 'The range has no width.', 'Give what 0 and what 255 become, such as [0, 1].');
  if (order === 'bgr' && channels === 1) throw unfit('inputs.0.order', 'A grey picture has no order of colours.', 'Leave it out.');
  const each = (values: number | number[], what: 'mean' | 'std'): number[] => {
    const list = typeof values === 'number' ? Array.from({ length: channels }, () => values) : values;
    if (list.length === channels) return list;
    throw unfit(`inputs.0.${what}`, `There are ${list.length} numbers for ${channels} channels.`, 'Give one for each channel, in the order of the model’s, or one for all.');
  };
  const unit = 255 / (high - low);
  const numbers = { mean: each(mean, 'mean').map((value) => (value - low) * unit), scale: each(std, 'std').map((value) => value * unit), isReversed: order === 'bgr' };
  const isKept = (value: number): boolean => Number.isFinite(Math.fround(value));
  if (numbers.mean.every(isKept) && numbers.scale.every((value) => isKept(value) && Math.abs(value) > 1e-30)) return numbers;
  throw unfit('inputs.0', 'Range, mean and std make numbers of pixels that float32 does not hold.', 'Give those of the model’s training.');
}

const unfit = (path: string, message: string, remedy: string): UnfitModel => new UnfitModel('signature', `signature.${path}`, message, remedy);

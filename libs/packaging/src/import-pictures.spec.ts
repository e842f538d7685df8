import { createHash } from 'node:crypto';
import { encodePng, fitImage, type Pixels } from '@millrace/images';
import { float32, type Graph, int64, model, type Node, tensor } from '../test/foreign-model.ts';
import { answerPlainly, classes, kerasGraph, numberGraph, pictureWeights, softmaxOf, torchGraph } from '../test/picture-model.ts';
import { createRandom } from '../test/random-pipeline.ts';
import { checkRows } from './check-rows.ts';
import { importOnnx } from './import-onnx.ts';
import { loadModel, type Prediction } from './loaded-model.ts';
import type { PackageFiles } from './model-package.ts';
import { tensorMetadata } from './signature.ts';
import { tryPackage } from './try-package.ts';

const importing = (bytes: Uint8Array, signature?: unknown) =>
  importOnnx({ bytes, filename: 'parts.onnx', sha256: createHash('sha256').update(bytes).digest('hex'), signature, tools: { millrace: 'test' } });

function fitting(bytes: Uint8Array, signature: unknown) {
  const imported = importing(bytes, signature);
  if (imported.type !== 'fit') throw new Error(JSON.stringify(imported.problems));
  return imported.modelPackage;
}

/** Each as `code field`, with a message and a remedy. */
const refusals = (bytes: Uint8Array, signature?: unknown): string[] => {
  const imported = importing(bytes, signature);
  if (imported.type !== 'refused') return [];
  for (const { message, remedy } of imported.problems) expect([message, remedy].every(Boolean)).toBe(true);
  return imported.problems.map(({ code, field }) => `${code} ${field}`);
};

function randomPicture(seed: number, width: number, height: number): Pixels {
  const random = createRandom(seed);
  return { width, height, channels: 3, data: Uint8Array.from({ length: width * height * 3 }, () => random.unit() * 256) };
}

const sent = (pixels: Pixels) => ({ photo: { b64: Buffer.from(encodePng(pixels)).toString('base64') } });

async function answers(files: PackageFiles, pictures: Pixels[]): Promise<Prediction[]> {
  const loaded = await loadModel(files);
  try {
    const checked = checkRows(loaded.signature, pictures.map(sent));
    if (checked.type === 'invalid') throw new Error(JSON.stringify(checked.problems));
    const together = await loaded.predict(checked.rows);
    const alone = [];
    for (let row = 0; row < pictures.length; row++) alone.push(...(await loaded.predict(checked.rows, row, row + 1)));
    expect(alone).toEqual(together); // to the last bit
    return together;
  } finally {
    await loaded.close();
  }
}

const photo = (more: object = {}) => ({ name: 'photo', type: 'image', range: [0, 1], ...more });
const parts = { name: 'part', type: 'category', classes };
const logits = { ...parts, scores: 'logits' };
const imageNet = { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] };
const size = { width: 9, height: 7 };
const pictures = [randomPicture(1, 9, 7), randomPicture(2, 9, 7), randomPicture(3, 20, 11), randomPicture(4, 5, 4)];

/** What the model must say, from the pixels as the server brings them to size. */
function expected(channels: 1 | 3, numberOf: (pixel: number, channel: number) => number, at: (channel: number) => number = (channel) => channel, shortSide?: number): number[][] {
  return pictures.map((picture) => {
    const pixels = fitImage(picture, { ...size, channels, shortSide });
    return softmaxOf(answerPlainly(pictureWeights(channels), { ...size, channels }, (channel, y, x) => numberOf(pixels[(y * size.width + x) * channels + at(channel)]!, channel)));
  });
}

function expectAnswers(found: Prediction[], wanted: number[][], tolerance = 5): void {
  for (const [row, probabilities] of wanted.entries()) {
    const one = found[row] as { label: string; probabilities: number[] };
    expect(one.label).toBe(classes[probabilities.indexOf(Math.max(...probabilities))]);
    one.probabilities.forEach((probability, index) => expect(probability).toBeCloseTo(probabilities[index]!, tolerance));
  }
  expect(new Set(wanted.map((row) => row[0]!.toFixed(6))).size).toBe(wanted.length); // pictures that differ
}

describe('a network for pictures made elsewhere', () => {
  it('of PyTorch, with the normalisation of ImageNet', async () => {
    const built = fitting(model(torchGraph(pictureWeights(3), ['batch_size', 3, 7, 9]), { producer: 'pytorch' }), { inputs: [photo(imageNet)], output: logits });
    expect(built.signature).toMatchObject({
      task: 'classification', family: 'onnx', inputs: [{ name: 'photo', type: 'image', required: true, ...size, channels: 3 }], output: { name: 'part', classes },
    });
    expect(tensorMetadata(built.signature).inputs).toEqual([{ name: 'photo', datatype: 'UINT8', shape: [-1, 7, 9, 3] }]);
    const { mean, std } = imageNet;
    const wanted = expected(3, (pixel, channel) => (pixel / 255 - mean[channel]!) / std[channel]!);
    expectAnswers(await answers(built.files, pictures), wanted);
    const one = fitting(model(torchGraph(pictureWeights(3), [1, 3, 7, 9]), { producer: 'pytorch' }), { inputs: [photo(imageNet)], output: logits });
    expect(one.signature.graph.rowsPerCall).toBe(1); // as PyTorch exports it unless it is told otherwise
    expectAnswers(await answers(one.files, pictures), wanted);
    const samples = pictures.map((picture, row) => ({ inputs: sent(picture), prediction: classes[wanted[row]!.indexOf(Math.max(...wanted[row]!))]!, probabilities: wanted[row]! }));
    expect(await tryPackage(built.files, samples)).toMatchObject({ type: 'works', agreement: { type: 'agrees', rows: 4 } });
    const wrong = samples.map((sample) => ({ ...sample, probabilities: sample.probabilities.toReversed() }));
    expect(await tryPackage(built.files, wrong)).toMatchObject({ type: 'refused', problems: [{ code: 'disagrees', field: 'sampleRows[0].prediction' }] });
    expect(await tryPackage(built.files, [{ inputs: { photo: { b64: 'AAAA' } }, prediction: 'nut' }])).toMatchObject({ type: 'refused', problems: [{ code: 'broken_image', field: 'sampleRows[0].inputs.photo' }] });
  });

  it('of Keras: channels last, probabilities, sizes that only the signature tells', async () => {
    const keras = model(kerasGraph(pictureWeights(3), ['unk__5', 'h', 'w', 3]), { producer: 'tf2onnx', opsets: [['', 13]] });
    const built = fitting(keras, { inputs: [photo({ range: [-1, 1], ...size })], output: parts });
    expectAnswers(await answers(built.files, pictures), expected(3, (pixel) => pixel / 127.5 - 1));
    expect(await tryPackage(built.files, undefined)).toMatchObject({ type: 'works' });
  });

  it('that takes bytes, doubles or half floats, grey, or blue before red', async () => {
    const bytes = fitting(model(kerasGraph(pictureWeights(1), ['n', 7, 9, 1], 2)), { inputs: [{ name: 'photo', type: 'image' }], output: parts });
    expectAnswers(await answers(bytes.files, pictures), expected(1, (pixel) => pixel / 255));
    const mean = [104, 117, 123];
    const doubles = fitting(model(kerasGraph(pictureWeights(3), ['n', 7, 9, 3], 11)), { inputs: [photo({ range: [0, 255], mean, std: 60, order: 'bgr' })], output: parts });
    expectAnswers(await answers(doubles.files, pictures), expected(3, (pixel, channel) => (pixel - mean[channel]!) / 60, (channel) => 2 - channel));
    const halves = fitting(model(kerasGraph(pictureWeights(3), ['n', 7, 9, 3], 10)), { inputs: [photo()], output: parts });
    expectAnswers(await answers(halves.files, pictures), expected(3, (pixel) => pixel / 255), 3);
  });

  it('that was trained on the middle of pictures in their own shape', async () => {
    const built = fitting(model(torchGraph(pictureWeights(3), ['n', 3, 7, 9])), { inputs: [photo({ shortSide: 12 })], output: logits });
    expect(built.signature.inputs).toMatchObject([{ ...size, channels: 3, shortSide: 12 }]);
    const wanted = expected(3, (pixel) => pixel / 255, undefined, 12);
    expect(wanted[2]).not.toEqual(expected(3, (pixel) => pixel / 255)[2]);
    expectAnswers(await answers(built.files, pictures), wanted);
    expect(await tryPackage(built.files, undefined)).toMatchObject({ type: 'works' });
  });

  it('that halves its channels by what it computes from their number, as PyTorch writes it', async () => {
    const half: Node[] = [
      { op: 'Shape', in: ['input'], out: ['shape'] }, { op: 'Gather', in: ['shape', 'one'], out: ['all'] }, { op: 'Div', in: ['all', 'two'], out: ['part'] },
      { op: 'Slice', in: ['input', 'zero', 'part', 'one'], out: ['first'] }, { op: 'GlobalAveragePool', in: ['first'], out: ['mean'] },
    ];
    const initializers = [tensor('zero', 7, [1], int64(0)), tensor('one', 7, [1], int64(1)), tensor('two', 7, [1], int64(2))];
    const built = fitting(model({ inputs: [{ name: 'input', shape: ['n', 3, 7, 9] }], outputs: [{ name: 'mean', shape: ['n', 1, 1, 1] }], nodes: half, initializers }), { inputs: [photo({ range: [0, 255] })], output: { type: 'number' } });
    expect(await tryPackage(built.files, undefined)).toMatchObject({ type: 'works' });
    const red = { width: 9, height: 7, channels: 3 as const, data: Uint8Array.from({ length: 189 }, (_, at) => (at % 3 === 0 ? 200 : 10)) };
    expect(await answers(built.files, [red])).toEqual([{ value: 200 }]);
  });

  it('that answers with a number', async () => {
    const built = fitting(model(numberGraph(pictureWeights(3), ['n', 3, 7, 9])), { inputs: [photo()], output: { name: 'wear', type: 'number' } });
    expect(built.signature).toMatchObject({ task: 'regression', output: { name: 'wear', type: 'number' } });
    const pixels = fitImage(pictures[2]!, { ...size, channels: 3 });
    const [wanted] = answerPlainly(pictureWeights(3), { ...size, channels: 3 }, (channel, y, x) => pixels[(y * 9 + x) * 3 + channel]! / 255);
    expect((await answers(built.files, pictures))[2]).toEqual({ value: expect.closeTo(wanted!, 4) });
  });

  it('may bring a picture to fixed sizes of its own, and is tried with few rows where a picture is large', async () => {
    const shape = ['n', 1, 320, 420];
    const shrink: Node[] = [
      { op: 'Resize', in: ['input', '', 'scales'], out: ['small'], attributes: { coordinate_transformation_mode: { s: 'half_pixel' }, mode: { s: 'linear' } } },
      { op: 'GlobalAveragePool', in: ['small'], out: ['mean'] },
    ];
    const bytes = model({ inputs: [{ name: 'input', shape }], outputs: [{ name: 'mean', shape: ['n', 1, 1, 1] }], nodes: shrink, initializers: [tensor('scales', 1, [4], float32(1, 1, 0.125, 0.125))] });
    const built = fitting(bytes, { inputs: [photo({ range: [0, 255] })], output: { type: 'number' } });
    expect(built.signature.graph.rowsPerCall).toBe(7);
    const tried = await tryPackage(built.files, undefined, { longestMs: Infinity });
    expect(tried).toMatchObject({ type: 'works', speed: { rowsPerCall: 7 } }); // of eight that are made up
    const grey = { width: 2, height: 2, channels: 1 as const, data: Uint8Array.of(90, 90, 90, 90) };
    expect(await answers(built.files, [grey])).toEqual([{ value: 90 }]);
  });
});

const weights = pictureWeights(3);
const torch = (shape: (number | string)[], change: Partial<Graph> = {}) => model(torchGraph(weights, shape, change));
const fit = ['n', 3, 7, 9];

it.each<[what: string, refusal: string, bytes: Uint8Array, signature: unknown]>([
  ['nothing said of its pixels', 'signature_needed input', torch(fit), undefined],
  ['nothing said of its numbers', 'signature_needed input', torch(fit), { inputs: [{ name: 'photo', type: 'image' }], output: logits }],
  ['nothing said of its classes', 'signature_needed outputs', torch(fit), { inputs: [photo()] }],
  ['no names for its classes', 'signature_needed outputs', torch(fit), { inputs: [photo()], output: { type: 'category' } }],
  ['too many classes', 'signature signature.output.classes', torch(fit), { inputs: [photo()], output: { ...logits, classes: [...classes, 'rivet'] } }],
  ['two channels', 'channels input', torch(['n', 2, 7, 9]), { inputs: [photo({ layout: 'nchw' })], output: logits }],
  ['four channels, wherever they stand', 'channels input', torch(['n', 4, 7, 9]), { inputs: [photo()], output: logits }],
  ['four pictures at a time', 'fixed_rows input', torch([4, 3, 7, 9]), { inputs: [photo()], output: logits }],
  ['a layout that is not clear', 'layout_unclear input', torch(['n', 3, 3, 3]), { inputs: [photo()], output: logits }],
  ['no size', 'signature_needed input', torch(['n', 3, 'h', 'w']), { inputs: [photo({ width: 9 })], output: logits }],
  ['no channels', 'signature_needed input', torch(['n', 'c', 7, 9]), { inputs: [photo({ layout: 'nchw' })], output: logits }],
  ['a picture that is too large', 'picture_size input', torch(['n', 3, 513, 8]), { inputs: [photo()], output: logits }],
  ['five dimensions', 'input_shape input', torch(['n', 8, 3, 7, 9]), { inputs: [photo()], output: logits }],
  ['columns beside it', 'signature signature.inputs', torch(fit), { inputs: [photo(), { name: 'x', type: 'number' }], output: logits }],
  ['another input beside it', 'picture_beside input', torch(fit, { inputs: [{ name: 'input', shape: fit }, { name: 'z', shape: ['n', 1] }] }), { inputs: [photo()], output: logits }],
  ['whole numbers', 'input_type input', torch(fit, { inputs: [{ name: 'input', type: 7, shape: fit }] }), { inputs: [photo()], output: logits }],
  ['another size than said', 'signature signature.inputs.0.height', torch(fit), { inputs: [photo({ height: 8 })], output: logits }],
  ['other channels than said', 'signature signature.inputs.0.channels', torch(fit), { inputs: [photo({ channels: 1 })], output: logits }],
  ['a shorter side below its size', 'signature signature.inputs.0.shortSide', torch(fit), { inputs: [photo({ shortSide: 8 })], output: logits }],
  ['two means for three channels', 'signature signature.inputs.0.mean', torch(fit), { inputs: [photo({ mean: [0, 0] })], output: logits }],
  ['a deviation of nothing', 'signature signature.inputs.0.std', torch(fit), { inputs: [photo({ std: 0 })], output: logits }],
  ['a range without width', 'signature signature.inputs.0.range', torch(fit), { inputs: [photo({ range: [1, 1] })], output: logits }],
  ['numbers that no float holds', 'signature signature.inputs.0', torch(fit), { inputs: [photo({ mean: 1e300 })], output: logits }],
  ['a word that is none of the signature’s', 'signature signature.inputs.0', torch(fit), { inputs: [photo({ colour: 'red' })], output: logits }],
  ['an order of grey', 'signature signature.inputs.0.order', torch(['n', 1, 7, 9]), { inputs: [photo({ order: 'bgr' })], output: logits }],
  ['bytes that shall be normalised', 'signature signature.inputs.0', model(kerasGraph(weights, ['n', 7, 9, 3], 2)), { inputs: [photo()], output: parts }],
  ['a size that is sent', 'size_from_values Resize', torch(fit, { nodes: [{ op: 'ReduceMax', in: ['input'], out: ['max'], attributes: { axes: { ints: [0, 2, 3] }, keepdims: { i: 0 } } }, { op: 'Resize', in: ['input', '', 'max'], out: ['y'] }] }), { inputs: [photo()], output: logits }],
  ['a size that is computed', 'size_computed Resize', torch(fit, {
    nodes: [{ op: 'Shape', in: ['input'], out: ['shape'] }, { op: 'Mul', in: ['shape', 'two'], out: ['sizes'] }, { op: 'Resize', in: ['input', '', '', 'sizes'], out: ['y'] }], initializers: [tensor('two', 7, [4], int64(1, 1, 2, 2))],
  }), { inputs: [photo()], output: logits }],
])('a picture model is refused with %s: %s', (_what, refusal, bytes, signature) => {
  expect(refusals(bytes, signature)).toEqual([refusal]);
});

it('normalisation over the pictures of a call is found out when it is tried', async () => {
  const { nodes, ...graph } = torchGraph(weights, fit);
  const training = nodes.map((node) => (node.op === 'BatchNormalization' ? { ...node, out: [...node.out, 'running_mean', 'running_var'], attributes: { training_mode: { i: 1 } } } : node));
  const built = fitting(model({ ...graph, nodes: training }), { inputs: [photo()], output: logits });
  expect(await tryPackage(built.files, undefined)).toMatchObject({ type: 'refused', problems: [{ code: 'row_dependent' }] });
});

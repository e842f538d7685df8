import { buildPackage } from '@millrace/packaging';
import { RequestError } from '../request-error.ts';
import { readMlflow } from './mlflow.ts';
import { readOpenInference } from './open-inference.ts';
import { unpackFiles } from './picture-tensor.ts';
import type { ReadRequest } from './protocol.ts';
import { readSimplePredict } from './simple-predict.ts';
import { readTfServing } from './tf-serving.ts';

const { signature } = buildPackage({
  features: [],
  image: { name: 'image', width: 4, height: 2, channels: 1 },
  target: { name: 'label', type: 'category', classes: ['good', 'scratch'] },
  estimator: { family: 'baseline', answer: Float64Array.of(0.5, 0.5) },
}, { metrics: {}, lineage: {} });

/** 2 × 2 pixels of red. */
const red = 'iVBORw0KGgoAAAANSUhEUgAAAAIAAAACCAIAAAD91JpzAAAAEElEQVR4AWP8zwACTAxgAAANHQEDy9shpgAAAABJRU5ErkJggg==';
const ramp = [0, 10, 20, 30, 40, 50, 60, 70];
const luma = 76;

/** The pixels as they were understood, or the problems as `code row field`. */
function read(reader: ReadRequest, body: unknown): unknown {
  try {
    const { checked } = reader(signature, body);
    if (checked.type === 'invalid') return checked.problems.map(({ code, row, field }) => `${code} ${row} ${field}`);
    return Array.from({ length: checked.rows.count }, (_, row) => [...checked.rows.pixels.slice(row * 8, (row + 1) * 8)]);
  } catch (error) {
    if (!(error instanceof RequestError)) throw error;
    return (error.details.problems ?? [{ code: error.code, row: null, field: error.details.field }]).map(({ code, row, field }) => `${code} ${row} ${field}`);
  }
}

const picture = { b64: red };
const tensor = (change: object = {}) => ({ inputs: [{ name: 'image', datatype: 'UINT8', shape: [1, 2, 4, 1], data: ramp, ...change }] });

const lengthed = (bytes: Buffer) => Buffer.concat([Buffer.from([bytes.length, 0, 0, 0]), bytes]);

it.each<[string, ReadRequest, unknown]>([
  ['one', readSimplePredict, { features: picture }],
  ['a list', readSimplePredict, { features: [picture] }],
  ['by name', readSimplePredict, { features: { image: picture } }],
  ['rows by name', readSimplePredict, { features: [{ image: picture }] }],
  ['rows by position', readSimplePredict, { features: [[picture]] }],
  ['bare instances', readTfServing, { instances: [picture] }],
  ['instances', readTfServing, { instances: [{ image: picture }] }],
  ['columns', readTfServing, { inputs: { image: [picture] } }],
  ['bare inputs', readTfServing, { inputs: [picture] }],
  ['a data frame', readMlflow, { dataframe_split: { columns: ['image'], data: [[picture]] } }],
  ['BYTES', readOpenInference, tensor({ datatype: 'BYTES', shape: [1], data: [red] })],
  ['BYTES of shape [N, 1]', readOpenInference, tensor({ datatype: 'BYTES', shape: [1, 1], data: [[red]] })],
  ['BYTES of a file', readOpenInference, tensor({ datatype: 'BYTES', shape: [1], data: lengthed(Buffer.from(red, 'base64')) })],
  ['BYTES of base64 text', readOpenInference, tensor({ datatype: 'BYTES', shape: [1, 1], data: lengthed(Buffer.from(red)) })],
  ['UINT8 in bytes', readOpenInference, tensor({ shape: [1, 1, 1, 3], data: Buffer.from([255, 0, 0]) })],
  ['UINT8 of another size, coloured', readOpenInference, tensor({ shape: [1, 1, 1, 3], data: [[[[255, 0, 0]]]] })],
])('a picture may be sent as %s', (_name, reader, body) => {
  expect(read(reader, body)).toEqual([Array.from({ length: 8 }, () => luma)]);
});

it('files that came as bytes are unpacked where they stand, and what is no tensor of files stays', () => {
  const bytes = { inputs: [{ name: 'image', datatype: 'BYTES', shape: [2], data: Buffer.concat([lengthed(Buffer.from(red, 'base64')), lengthed(Buffer.from(red))]) }, ...tensor().inputs, null, 7] };
  unpackFiles(bytes);
  expect(bytes.inputs.map((input) => (input as { data?: unknown } | null)?.data)).toEqual([[red, red], ramp, undefined, undefined]);
  for (const body of [null, 7, [], {}, { inputs: {} }, { inputs: [{ datatype: 'BYTES', data: Buffer.from('x'), shape: null }] }]) expect(() => unpackFiles(body)).not.toThrow();
  expect(() => unpackFiles(tensor({ datatype: 'BYTES', shape: [1], data: Buffer.from('x') }))).toThrow(/The 1 bytes of "image"/);
});

it('pixels of the model’s own size come through as they are', () => {
  expect(read(readOpenInference, tensor())).toEqual([ramp]);
  expect(read(readOpenInference, tensor({ shape: [2, 2, 4, 1], data: [...ramp, ...ramp.toReversed()] }))).toEqual([ramp, ramp.toReversed()]);
});

it.each<[string, ReadRequest, unknown, string]>([
  ['the wrong name', readOpenInference, tensor({ name: 'picture' }), 'invalid_request null inputs[0].name'],
  ['two tensors', readOpenInference, { inputs: [...tensor().inputs, ...tensor().inputs] }, 'invalid_request null inputs'],
  ['another datatype', readOpenInference, tensor({ datatype: 'FP32' }), 'invalid_request null inputs[0].datatype'],
  ['no channels', readOpenInference, tensor({ shape: [1, 2, 4] }), 'invalid_request null inputs[0].shape'],
  ['two channels', readOpenInference, tensor({ shape: [1, 2, 2, 2] }), 'invalid_request null inputs[0].shape'],
  ['too few pixels', readOpenInference, tensor({ data: [1] }), 'invalid_request null inputs[0].data'],
  ['a pixel out of range', readOpenInference, tensor({ data: [...ramp.slice(1), 256] }), 'invalid_request null inputs[0].data'],
  ['half a pixel', readOpenInference, tensor({ data: [...ramp.slice(1), 0.5] }), 'invalid_request null inputs[0].data'],
  ['text that is no base64', readOpenInference, tensor({ datatype: 'BYTES', shape: [1], data: ['!'] }), 'not_base64 0 image'],
  ['half a file in bytes', readOpenInference, tensor({ datatype: 'BYTES', shape: [1], data: lengthed(Buffer.from(red, 'base64').subarray(0, 30)) }), 'broken_image 0 image'],
  ['bytes of neither file nor text', readOpenInference, tensor({ datatype: 'BYTES', shape: [1], data: lengthed(Buffer.from([0, 1, 2])) }), 'not_base64 0 image'],
  ['pixels too few in bytes', readOpenInference, tensor({ data: Buffer.from([1]) }), 'invalid_request null inputs[0].data'],
  ['a number', readTfServing, { instances: [5] }, 'not_an_image 0 image'],
  ['half a file', readTfServing, { instances: [{ b64: red.slice(0, 40) }] }, 'broken_image 0 image'],
  ['pixels in an object', readTfServing, { instances: [{ image: { width: 4, height: 2, channels: 1, data: ramp } }] }, 'not_an_image 0 image'],
  ['no picture', readSimplePredict, { features: {} }, 'missing_feature 0 image'],
])('%s is refused by its field', (_name, reader, body, problem) => {
  expect(read(reader, body)).toEqual([problem]);
});

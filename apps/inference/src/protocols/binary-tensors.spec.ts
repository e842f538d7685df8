import { buildPackage, type Signature } from '@millrace/packaging';
import fc from 'fast-check';
import { irisFeatures, irisNeighbours, mixedRegression, setosa, virginica } from '../../test/sample-pipelines.ts';
import { readBody } from '../request-body.ts';
import { RequestError } from '../request-error.ts';
import { encodeTensor } from './binary-tensor.ts';
import { readOpenInference } from './open-inference.ts';
import { type Outcome, toPayload } from './protocol.ts';

const signatureOf = (pipeline: Parameters<typeof buildPackage>[0]): Signature => buildPackage(pipeline, { metrics: {}, lineage: {} }).signature;
const iris = signatureOf(irisNeighbours());
const wear = signatureOf(mixedRegression());

/** Writes a tensor as a client would, by the means of Node's buffers. */
const writers: Record<string, [size: number, write: (buffer: Buffer, value: number, at: number) => void]> = {
  UINT8: [1, (buffer, value, at) => buffer.writeUInt8(value, at)],
  UINT16: [2, (buffer, value, at) => buffer.writeUInt16LE(value, at)],
  UINT32: [4, (buffer, value, at) => buffer.writeUInt32LE(value, at)],
  UINT64: [8, (buffer, value, at) => buffer.writeBigUInt64LE(BigInt(value), at)],
  INT8: [1, (buffer, value, at) => buffer.writeInt8(value, at)],
  INT16: [2, (buffer, value, at) => buffer.writeInt16LE(value, at)],
  INT32: [4, (buffer, value, at) => buffer.writeInt32LE(value, at)],
  INT64: [8, (buffer, value, at) => buffer.writeBigInt64LE(BigInt(value), at)],
  FP32: [4, (buffer, value, at) => buffer.writeFloatLE(value, at)],
  FP64: [8, (buffer, value, at) => buffer.writeDoubleLE(value, at)],
};
function bytesOf(datatype: string, values: readonly number[]): Buffer {
  const [size, write] = writers[datatype]!;
  const buffer = Buffer.alloc(size * values.length);
  values.forEach((value, index) => write(buffer, value, index * size));
  return buffer;
}
const textBytes = (...texts: (string | Buffer)[]): Buffer =>
  Buffer.concat(texts.flatMap((text) => [bytesOf('UINT32', [Buffer.from(text as string).length]), Buffer.from(text as string)]));
const half = (...bits: number[]): Buffer => bytesOf('UINT16', bits);

interface Sent {
  name: string;
  shape: number[];
  datatype: string;
  bytes: Buffer;
}
function requestOf(tensors: Sent[], further: object = {}): { json: string; rest: Buffer } {
  const inputs = tensors.map(({ bytes, ...tensor }) => ({ ...tensor, parameters: { binary_data_size: bytes.length } }));
  return { json: JSON.stringify({ ...further, inputs }), rest: Buffer.concat(tensors.map(({ bytes }) => bytes)) };
}
const matrix = (datatype: string, rows: number[][], bytes = bytesOf(datatype, rows.flat())): Sent => ({ name: 'x', shape: [rows.length, 4], datatype, bytes });

/** The rows as they were understood, or the refusal as `status code field message`. */
function read(signature: Signature, { json, rest }: { json: string; rest: Buffer }, length: string | number = Buffer.byteLength(json)): unknown {
  try {
    const body = readBody({ 'content-type': 'application/octet-stream', 'inference-header-content-length': String(length) }, Buffer.concat([Buffer.from(json), rest]), 1e6, (read) => read());
    if (body instanceof Promise) throw new Error('nothing was compressed');
    const { checked } = readOpenInference(signature, body.value);
    if (checked.type === 'invalid') return checked.problems.map(({ code, row, field }) => `${code} ${row} ${field}`).join(', ');
    const width = checked.rows.numbers.length / checked.rows.count;
    return Array.from({ length: checked.rows.count }, (_, row) => [...checked.rows.numbers.slice(row * width, (row + 1) * width)]);
  } catch (error) {
    if (!(error instanceof RequestError)) throw error;
    if (error.status !== 400 || !error.message || !error.details.remedy) throw new Error(`${error.status} ${error.message}`);
    return error.details.problems?.map(({ code, row, field }) => `${code} ${row ?? '-'} ${field}`).join(', ') ?? `${error.code} ${error.details.field}: ${error.message}`;
  }
}

describe('binary tensors', () => {
  it.each(Object.keys(writers))('of %s mean the numbers that they hold', (datatype) => {
    const [lowest, highest] = datatype.startsWith('U') ? [0, 200] : [-100, 100];
    fc.assert(
      fc.property(fc.array(fc.array(fc.integer({ min: lowest, max: highest }), { minLength: 4, maxLength: 4 }), { minLength: 1, maxLength: 5 }), (rows) => {
        expect(read(iris, requestOf([matrix(datatype, rows)]))).toEqual(rows);
        const byFeature = irisFeatures.map((name, column): Sent => ({ name, shape: [rows.length, 1], datatype, bytes: bytesOf(datatype, rows.map((row) => row[column]!)) }));
        expect(read(iris, requestOf(byFeature))).toEqual(rows);
      }),
      { seed: 20261126, numRuns: 30 },
    );
  });

  it('of FP16 mean the numbers that IEEE 754 says, and infinities are refused by row and name', () => {
    expect(read(iris, requestOf([{ ...matrix('FP64', []), shape: [2, 4], datatype: 'FP16', bytes: half(0x3c00, 0xc000, 0x7bff, 0x0001, 0x8000, 0x3555, 0x0400, 0x03ff) }]))).toEqual([
      [1, -2, 65_504, 2 ** -24],
      [-0, 0.333251953125, 2 ** -14, 1023 * 2 ** -24],
    ]);
    for (const bits of [0x7c00, 0xfc00, 0x7e00]) {
      expect(read(iris, requestOf([{ ...matrix('FP64', []), shape: [1, 4], datatype: 'FP16', bytes: half(0, 0, bits, 0) }]))).toBe('not_finite 0 petal length');
    }
  });

  it('may stand beside tensors in JSON, and text is UTF-8 behind its length', () => {
    const pressure = bytesOf('FP32', [2.5, 7]);
    const material = textBytes('steel', 'brass');
    const inputs = [
      { name: 'pressure', shape: [2], datatype: 'FP32', parameters: { binary_data_size: pressure.length } },
      { name: 'material', shape: [2], datatype: 'BYTES', data: ['steel', 'brass'] },
    ];
    expect(read(wear, { json: JSON.stringify({ inputs }), rest: pressure })).toEqual([[2.5], [7]]);
    expect(read(wear, requestOf([{ name: 'pressure', shape: [2], datatype: 'FP32', bytes: pressure }, { name: 'material', shape: [2, 1], datatype: 'BYTES', bytes: material }]))).toEqual([[2.5], [7]]);
    expect(read(wear, requestOf([{ name: 'material', shape: [1], datatype: 'BYTES', bytes: textBytes('') }, { name: 'pressure', shape: [1], datatype: 'FP64', bytes: bytesOf('FP64', [NaN]) }]))).toBe('not_finite 0 pressure');
  });

  const good = requestOf([matrix('FP64', [setosa, virginica])]);
  const changed = (change: (tensor: { parameters: { binary_data_size: unknown }; [more: string]: unknown }) => void) => {
    const request = JSON.parse(good.json) as { inputs: [Parameters<typeof change>[0]] };
    change(request.inputs[0]);
    return { json: JSON.stringify(request), rest: good.rest };
  };
  const texts = (bytes: Buffer, count = 1) => requestOf([{ name: 'material', shape: [count], datatype: 'BYTES', bytes }]);

  it.each<[string, Parameters<typeof read>, RegExp]>([
    ['a length beyond the body', [iris, good, 100_000], /^invalid_request inference-header-content-length: .*"100000"/],
    ['a negative length', [iris, good, -1], /inference-header-content-length: .*"-1"/],
    ['a length that is no number', [iris, good, '0x10'], /inference-header-content-length/],
    ['a length sent twice', [iris, good, '120, 120'], /inference-header-content-length/],
    ['a length that cuts the JSON text', [iris, good, 20], /^malformed_json/],
    ['a length into the bytes', [iris, good, Buffer.byteLength(good.json) + 8], /^malformed_json/],
    ['no length of the JSON text at all', [iris, good, 0], /^malformed_json .*empty/],
    ['a size that is negative', [iris, changed((tensor) => (tensor.parameters.binary_data_size = -64))], /inputs\[0\]\.parameters\.binary_data_size: .*no whole number/],
    ['a size that is text', [iris, changed((tensor) => (tensor.parameters.binary_data_size = '64'))], /binary_data_size: .*no whole number/],
    ['a size that is no whole number', [iris, changed((tensor) => (tensor.parameters.binary_data_size = 63.5))], /binary_data_size: .*no whole number/],
    ['a size beyond the body', [iris, changed((tensor) => (tensor.parameters.binary_data_size = 65))], /A tensor of 65 bytes is announced where 64 are left/],
    ['a size beyond all numbers', [iris, changed((tensor) => (tensor.parameters.binary_data_size = 2 ** 53))], /no whole number/],
    ['bytes that are left over', [iris, changed((tensor) => (tensor.parameters.binary_data_size = 56))], /^invalid_request body: 8 bytes follow/],
    ['bytes that nobody announced', [iris, changed((tensor) => delete (tensor as Partial<typeof tensor>).parameters)], /body: 64 bytes follow/],
    ['a shape that the bytes do not fill', [iris, changed((tensor) => (tensor['shape'] = [3, 4]))], /inputs\[0\]\.data: The 64 bytes of "x" .* 96 bytes/],
    ['a shape that holds more than all', [iris, changed((tensor) => (tensor['shape'] = [2 ** 40, 4]))], /inputs\[0\]\.data: The 64 bytes/],
    ['another datatype than the bytes', [iris, changed((tensor) => (tensor['datatype'] = 'FP32'))], /inputs\[0\]\.data: The 64 bytes/],
    ['an unknown datatype', [iris, changed((tensor) => (tensor['datatype'] = 'BF16'))], /inputs\[0\]\.datatype/],
    ['both bytes and data', [iris, changed((tensor) => (tensor['data'] = [1]))], /inputs\[0\]\.data: A tensor has both/],
    ['a whole number beyond 2^53', [iris, requestOf([matrix('INT64', [setosa], bytesOf('UINT64', [0, 0, 0, 2 ** 60]))])], /^wrong_datatype 0 petal width/],
    ['NaN', [iris, requestOf([matrix('FP32', [setosa, [1, 2, NaN, 4]])])], /^not_finite 1 petal length$/],
    ['Infinity', [iris, requestOf([matrix('FP64', [[1, 2, 3, -Infinity]])])], /^not_finite 0 petal width$/],
    ['text that is not UTF-8', [wear, texts(textBytes(Buffer.from([0xc3, 0x28])))], /Element 0 of "material" is not UTF-8/],
    ['text that is longer than its bytes', [wear, texts(Buffer.concat([bytesOf('UINT32', [0xffffffff]), Buffer.from('steel')]))], /The 9 bytes of "material"/],
    ['text that ends within a length', [wear, texts(Buffer.concat([textBytes('steel'), Buffer.from([1, 0])]), 2)], /The 11 bytes of "material"/],
    ['fewer texts than the shape says', [wear, texts(textBytes('steel'), 2)], /The 9 bytes of "material"/],
    ['more texts than the shape says', [wear, texts(textBytes('steel', 'brass'), 1)], /The 18 bytes of "material"/],
    ['BOOL for a number', [iris, requestOf([{ ...matrix('FP64', []), shape: [1, 4], datatype: 'BOOL', bytes: Buffer.from([0, 1, 1, 0]) }])], /^wrong_datatype/],
    ['a BOOL of neither 0 nor 1', [iris, requestOf([{ ...matrix('FP64', []), shape: [1, 4], datatype: 'BOOL', bytes: Buffer.from([0, 1, 2, 0]) }])], /Element 2 of "x" is the byte 2/],
    ['a flag that is text', [iris, requestOf([matrix('FP64', [setosa])], { parameters: { binary_data_output: 'yes' } })], /parameters\.binary_data_output/],
    ['shared memory', [iris, requestOf([matrix('FP64', [setosa])], { outputs: [{ name: 'prediction', parameters: { shared_memory_region: 'r' } }] })], /outputs\[0\]\.parameters\.shared_memory_region/],
  ])('are refused by name: %s', (_what, [signature, request, length], refusal) => {
    expect(read(signature, request, length)).toMatch(refusal);
  });

  it('that come without the header are refused by its name', () => {
    expect(() => readOpenInference(iris, JSON.parse(good.json))).toThrow(/no Inference-Header-Content-Length/);
  });

  it('never do anything but mean rows or be refused by name, however they are broken', () => {
    const sizes = fc.oneof(fc.integer({ min: -9, max: 200 }), fc.double(), fc.constantFrom(null, '64', true, [], {}, 2 ** 53, 1e300));
    const tensor = fc.record(
      {
        name: fc.constantFrom('x', 'pressure', 'material', '__proto_', ''),
        shape: fc.oneof(fc.array(fc.integer({ min: -1, max: 9 }), { maxLength: 3 }), fc.constantFrom(null, [2 ** 52, 2 ** 52], [1e9])),
        datatype: fc.constantFrom('FP16', 'FP32', 'FP64', 'BYTES', 'BOOL', 'INT64', 'UINT8', 'constructor'),
        parameters: fc.oneof(fc.record({ binary_data_size: sizes }), fc.constantFrom(null, 7)),
        data: fc.array(fc.double(), { maxLength: 4 }),
      },
      { requiredKeys: ['name', 'shape', 'datatype', 'parameters'] },
    );
    const body = fc.record({ inputs: fc.oneof(fc.array(tensor, { maxLength: 3 }), fc.jsonValue()), parameters: fc.jsonValue(), outputs: fc.jsonValue() }, { requiredKeys: ['inputs'] });
    fc.assert(
      fc.property(body, fc.uint8Array({ maxLength: 100 }), fc.integer({ min: -20, max: 20 }), fc.constantFrom(iris, wear), (value, rest, off, signature) => {
        const json = JSON.stringify(value);
        const length = Buffer.byteLength(json) + (off > 10 || off < -10 ? off : 0);
        expect(read(signature, { json, rest: Buffer.from(rest) }, length)).toBeDefined();
      }),
      { seed: 20261126, numRuns: 500 },
    );
    fc.assert(
      fc.property(fc.nat(good.json.length + 63), fc.integer({ min: 1, max: 255 }), (at, change) => {
        const bytes = Buffer.concat([Buffer.from(good.json), good.rest]);
        bytes[at]! ^= change;
        const rest = bytes.subarray(good.json.length);
        expect(read(iris, { json: bytes.subarray(0, good.json.length).toString('latin1'), rest }, good.json.length)).toBeDefined();
      }),
      { seed: 20261126, numRuns: 500 },
    );
  });
});

describe('an answer in bytes', () => {
  const outcome = { predictionId: 'pre_1', served: { endpoint: { name: 'iris' }, version: { number: 3 } }, signature: iris, predictions: [{ label: 'ä', probabilities: [0.25, 0.5, 0.25] }, { label: '', probabilities: [1, 0, 0] }] } as unknown as Outcome;
  const answer = (further: object) => toPayload(readOpenInference(iris, { inputs: [{ name: 'x', shape: [2, 4], datatype: 'FP64', data: [setosa, virginica] }], ...further }).write(outcome));

  it('has its tensors behind the JSON text in the order of the outputs', () => {
    const { body, jsonLength } = answer({ parameters: { binary_data_output: true } });
    if (jsonLength === undefined) throw new Error('a text');
    expect(JSON.parse(body.subarray(0, jsonLength).toString())).toEqual({
      model_name: 'iris', model_version: '3', id: 'pre_1',
      outputs: [
        { name: 'prediction', datatype: 'BYTES', shape: [2], parameters: { binary_data_size: 10 } },
        { name: 'probabilities', datatype: 'FP32', shape: [2, 3], parameters: { binary_data_size: 24 } },
      ],
    });
    expect(body.subarray(jsonLength)).toEqual(Buffer.concat([textBytes('ä', ''), bytesOf('FP32', [0.25, 0.5, 0.25, 1, 0, 0])]));
  });

  it('is chosen for each output, which goes before what is said of all', () => {
    const outputs = [{ name: 'probabilities', parameters: { binary_data: false } }, { name: 'prediction', parameters: {} }];
    const { body, jsonLength } = answer({ parameters: { binary_data_output: true }, outputs });
    const json = JSON.parse(body.slice(0, jsonLength).toString()) as { outputs: object[] };
    expect(json.outputs).toEqual([
      { name: 'probabilities', datatype: 'FP32', shape: [2, 3], data: [0.25, 0.5, 0.25, 1, 0, 0] },
      { name: 'prediction', datatype: 'BYTES', shape: [2], parameters: { binary_data_size: 10 } },
    ]);
    expect(answer({ outputs: [{ name: 'prediction' }] }).jsonLength).toBeUndefined();
    expect(Buffer.from(encodeTensor('BOOL', [true, false]))).toEqual(Buffer.from([1, 0]));
  });
});

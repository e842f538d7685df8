import { type CheckedRows, type RowProblem, type Signature, tensorMetadata } from '@millrace/packaging';
import { invalidRequest, invalidRows } from '../request-error.ts';
import { decodeTensor, encodeTensor, noData } from './binary-tensor.ts';
import { readPictures } from './picture-tensor.ts';
import { anomaliesByOutput, asObject, BinaryAnswer, checkColumns, checkPositional, furtherValue, itemPredictions, type JsonObject, listed, mostProblems, type Outcome, own, plainPredictions, type ReadRequest, refuseTooMany } from './protocol.ts';

/** Ranges of the whole-number datatypes. JSON numbers hold 64-bit ones exactly only to 2^53. */
const integerRanges: Record<string, [number, number]> = {
  INT8: [-128, 127],
  INT16: [-32_768, 32_767],
  INT32: [-(2 ** 31), 2 ** 31 - 1],
  INT64: [Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER],
  UINT8: [0, 255],
  UINT16: [0, 65_535],
  UINT32: [0, 2 ** 32 - 1],
  UINT64: [0, Number.MAX_SAFE_INTEGER],
};
const numericDatatypes = ['FP64', 'FP32', 'FP16', ...Object.keys(integerRanges)];
const datatypes = new Set([...numericDatatypes, 'BOOL', 'BYTES']);

interface Tensor {
  name: string;
  datatype: string;
  /** [rows, columns] */
  rows: number;
  columns: number;
  rank: number;
  /** row-major */
  data: unknown[];
}

interface WantedOutput {
  name: string;
  isBinary: boolean;
}

interface OutputTensor {
  name: string;
  datatype: string;
  shape: number[];
  data: unknown[];
}

/**
 * The infer request of the Open Inference Protocol v2: one tensor for each feature, by name, of shape [N] or [N, 1]; where all
 * features are numbers, also one tensor of shape [N, features] under any name. What a recommendation is to leave out comes as
 * [N, M], filled up with "". Elements are in the JSON text, or bytes by the binary tensor extension; so are those of the answer.
 */
export const readOpenInference: ReadRequest = (signature, body) => {
  const request = asObject(body, 'body', 'Send {"inputs": [{"name", "shape", "datatype", "data"}, …]}.');
  const id = own(request, 'id') ?? undefined;
  if (id !== undefined && typeof id !== 'string') throw invalidRequest('id', '"id" is not text.', 'Send text, or leave "id" out.');
  const allBinary = readFlag(readParameters(request, 'parameters'), 'binary_data_output', 'parameters') ?? false;
  const wanted = readOutputs(signature, own(request, 'outputs') ?? undefined, allBinary);
  const inputs = own(request, 'inputs');
  if (!Array.isArray(inputs) || inputs.length === 0) throw invalidRequest('inputs', 'There are no "inputs".', 'Send a list of tensors.');
  const [image] = signature.inputs;
  if (image?.type === 'image') return { checked: readPictures(signature, image, inputs), write: (outcome) => writeAnswer(outcome, id, wanted) };
  const tensors = inputs.map((input: unknown, index) => readTensor(input, index));
  return { checked: checkTensors(signature, tensors), write: (outcome) => writeAnswer(outcome, id, wanted) };
};

const outputNames = (signature: Signature): string[] => tensorMetadata(signature).outputs.map(({ name }) => name);

function readParameters(of: JsonObject, field: string): JsonObject {
  const parameters = own(of, 'parameters') ?? undefined;
  return parameters === undefined ? {} : asObject(parameters, field, 'Send an object, or leave "parameters" out.');
}

function readFlag(parameters: JsonObject, name: string, field: string): boolean | undefined {
  const flag = own(parameters, name);
  if (flag === undefined || typeof flag === 'boolean') return flag;
  throw invalidRequest(`${field}.${name}`, `"${name}" is neither true nor false.`, 'Send true to get the tensor as bytes, or leave it out.');
}

function readOutputs(signature: Signature, outputs: unknown, allBinary: boolean): WantedOutput[] {
  const names = outputNames(signature);
  if (outputs === undefined || (Array.isArray(outputs) && outputs.length === 0)) return names.map((name) => ({ name, isBinary: allBinary }));
  if (!Array.isArray(outputs)) throw invalidRequest('outputs', '"outputs" is not a list.', 'Send [{"name": "prediction"}], or leave "outputs" out.');
  const wanted = new Map<string, boolean>();
  for (const [index, sent] of outputs.entries()) {
    const output = asObject(sent, 'outputs', 'Send each output as {"name": "…"}.');
    const name = own(output, 'name');
    if (typeof name !== 'string' || !names.includes(name)) {
      const which = typeof name === 'string' ? JSON.stringify(name.slice(0, 60)) : 'without a name';
      throw invalidRequest('outputs', `The model has no output ${which}.`, `The outputs are ${listed(names)}.`);
    }
    const field = `outputs[${index}].parameters`;
    const parameters = readParameters(output, field);
    for (const strange of ['classification', 'shared_memory_region']) {
      if (Object.hasOwn(parameters, strange)) throw invalidRequest(`${field}.${strange}`, `This server has no extension for "${strange}".`, 'Leave it out; GET /v2 lists the extensions.');
    }
    wanted.set(name, readFlag(parameters, 'binary_data', field) ?? allBinary);
  }
  return [...wanted].map(([name, isBinary]) => ({ name, isBinary }));
}

function readTensor(value: unknown, index: number): Tensor {
  const field = `inputs[${index}]`;
  const tensor = asObject(value, field, 'Send each tensor as {"name", "shape", "datatype", "data"}.');
  const name = own(tensor, 'name');
  if (typeof name !== 'string' || name === '') throw invalidRequest(`${field}.name`, 'A tensor has no name.', 'Name each tensor after its feature.');
  const datatype = own(tensor, 'datatype');
  if (typeof datatype !== 'string' || !datatypes.has(datatype)) {
    throw invalidRequest(`${field}.datatype`, `"${name.slice(0, 60)}" has no known datatype.`, 'Send FP64 for numbers, BYTES for text.');
  }
  const shape = own(tensor, 'shape');
  const isShape = Array.isArray(shape) && (shape.length === 1 || shape.length === 2) && shape.every((size) => Number.isSafeInteger(size) && size >= 0);
  if (!isShape) throw invalidRequest(`${field}.shape`, `"${name.slice(0, 60)}" has no usable shape.`, 'Send [rows] or [rows, 1]; for one tensor of all features, [rows, features].');
  const [rows, columns] = [shape[0] as number, (shape[1] ?? 1) as number];
  const data = own(tensor, 'data');
  if (data instanceof Uint8Array) {
    return { name, datatype, rows, columns, rank: shape.length, data: decodeTensor(datatype, data, rows * columns, { field, name: name.slice(0, 60) }) };
  }
  if (!Array.isArray(data)) throw noData(tensor, { field, name: name.slice(0, 60) });
  return { name, datatype, rows, columns, rank: shape.length, data: flatten(data, rows, columns, shape.length, tensor, index) };
}

function flatten(data: unknown[], rows: number, columns: number, rank: number, tensor: JsonObject, index: number): unknown[] {
  const isNested = data.length > 0 && data.every((row) => Array.isArray(row));
  const fits = isNested
    ? rank === 2 && data.length === rows && data.every((row) => (row as unknown[]).length === columns)
    : data.length === rows * columns;
  if (fits) return isNested ? data.flat() : data;
  throw invalidRequest(
    `inputs[${index}].data`,
    `The data of "${String(tensor['name']).slice(0, 60)}" do not fill its shape ${JSON.stringify(tensor['shape'])}.`,
    `Send ${rows * columns} values, flat, or as ${rows} lists of ${columns}.`,
  );
}

function checkTensors(signature: Signature, tensors: Tensor[]): CheckedRows {
  const features = new Map(signature.inputs.map((input) => [input.name, input]));
  const [first] = tensors as [Tensor, ...Tensor[]];
  const isMatrix =
    tensors.length === 1 && first.rank === 2 && !features.has(first.name) && signature.inputs.every((input) => input.type === 'number');
  if (isMatrix) return checkMatrix(signature, first);

  const problems: RowProblem[] = [];
  const columns = new Map<string, unknown[]>();
  for (const tensor of tensors) {
    if (problems.length >= mostProblems) break;
    const feature = features.get(tensor.name);
    const field = tensor.name.slice(0, 60);
    if (columns.has(tensor.name)) problems.push(problem(field, 'duplicate_feature', `"${field}" was sent twice.`, 'Send each feature once.'));
    if (feature?.type === 'list') {
      problems.push(...checkDatatype(tensor, false, [field]));
      columns.set(tensor.name, listsOf(tensor));
      continue;
    }
    if (tensor.columns !== 1) {
      const message = `"${field}" has ${tensor.columns} columns; a feature has one.`;
      problems.push(problem(field, 'wrong_length', message, 'Send it with the shape [rows] or [rows, 1].'));
      continue;
    }
    if (feature) problems.push(...checkDatatype(tensor, feature.type === 'number', [field]));
    columns.set(tensor.name, tensor.data);
  }
  if (problems.length) throw invalidRows(problems);
  return checkColumns(signature, columns, 'tensor');
}

/** A row's values without those that only fill it up. */
function listsOf({ rows, columns, data }: Tensor): unknown[][] {
  refuseTooMany(rows); // of no columns, a shape of any size is filled by no data at all
  return Array.from({ length: rows }, (_, row) => data.slice(row * columns, (row + 1) * columns).filter((value) => value !== ''));
}

function checkMatrix(signature: Signature, tensor: Tensor): CheckedRows {
  const names = signature.inputs.map((input) => input.name);
  if (tensor.columns !== names.length) {
    const message = `"${tensor.name.slice(0, 60)}" is no feature, and with ${tensor.columns} columns it cannot hold all ${names.length}.`;
    throw invalidRows([problem(tensor.name.slice(0, 60), 'wrong_length', message, `Send one tensor of shape [rows, ${names.length}] in the order ${listed(names)}, or one for each feature.`)]);
  }
  const problems = checkDatatype(tensor, true, names);
  if (problems.length) throw invalidRows(problems);
  refuseTooMany(tensor.rows);
  const rows = Array.from({ length: tensor.rows }, (_, row) => tensor.data.slice(row * tensor.columns, (row + 1) * tensor.columns));
  return checkPositional(signature, rows);
}

/** Whether the datatype can carry the feature, and the data the datatype. That they are numbers or text is checked with the rows. */
function checkDatatype(tensor: Tensor, isNumber: boolean, names: string[]): RowProblem[] {
  const name = tensor.name.slice(0, 60);
  if (!isNumber && tensor.datatype !== 'BYTES') {
    return [problem(name, 'wrong_datatype', `"${name}" is text, not ${tensor.datatype}.`, 'Send it with the datatype BYTES.')];
  }
  if (isNumber && (tensor.datatype === 'BYTES' || tensor.datatype === 'BOOL')) {
    return [problem(name, 'wrong_datatype', `"${name}" is a number, not ${tensor.datatype}.`, 'Send it with the datatype FP64.')];
  }
  const range = integerRanges[tensor.datatype];
  if (!range) return [];
  const at = tensor.data.findIndex((value) => typeof value === 'number' && !(Number.isInteger(value) && value >= range[0] && value <= range[1]));
  if (at < 0) return [];
  const field = names[at % tensor.columns]!;
  const row = Math.floor(at / tensor.columns);
  const message = `Row ${row} has ${String(tensor.data[at])} for "${field}", which is no ${tensor.datatype}.`;
  return [{ row, field, code: 'wrong_datatype', message, remedy: 'Send it with the datatype FP64.' }];
}

function problem(field: string, code: string, message: string, remedy: string): RowProblem {
  return { row: null, field, code, message, remedy };
}

function writeAnswer({ predictions, predictionId, served, signature }: Outcome, id: string | undefined, wanted: WantedOutput[]): object {
  const ends = { model_name: served.endpoint.name, model_version: String(served.version.number), id: id ?? predictionId };
  const found = outputTensors(signature, predictions);
  const tensors: Uint8Array[] = [];
  const outputs = wanted.map(({ name, isBinary }) => {
    const tensor = found(name);
    if (!isBinary) return tensor;
    const bytes = encodeTensor(tensor.datatype, tensor.data);
    tensors.push(bytes);
    return { name, datatype: tensor.datatype, shape: tensor.shape, parameters: { binary_data_size: bytes.length } };
  });
  return tensors.length ? new BinaryAnswer({ ...ends, outputs }, tensors) : { ...ends, outputs };
}

/** The outputs of a model, each by its name. */
function outputTensors(signature: Signature, predictions: Outcome['predictions']): (name: string) => OutputTensor {
  const count = predictions.length;
  if (signature.anomaly) {
    const found = anomaliesByOutput(predictions);
    const tensors: Record<string, Omit<OutputTensor, 'name'>> = {
      score: { datatype: 'FP64', shape: [count], data: found.score },
      isAnomaly: { datatype: 'BOOL', shape: [count], data: found.isAnomaly },
      contributions: { datatype: 'FP64', shape: [count, signature.inputs.length], data: found.contributions?.flat() ?? [] },
    };
    return (name) => ({ name, ...tensors[name]! });
  }
  if (signature.output.type === 'items') {
    const tensors = itemTensors(itemPredictions(predictions), signature.output.count);
    return (name) => tensors.find((tensor) => tensor.name === name)!;
  }
  const { type, classes } = signature.output;
  return (name) =>
    name === 'prediction'
      ? { name, datatype: type === 'number' ? 'FP64' : 'BYTES', shape: [count], data: plainPredictions(predictions) }
      : name === 'lower' || name === 'upper' || name === 'survival' || name === 'personalised'
        ? { name, datatype: 'FP64', shape: [count], data: predictions.map((prediction) => furtherValue(prediction, name)) }
        : {
            name,
            datatype: 'FP32',
            shape: [count, classes?.length ?? 0],
            data: predictions.flatMap((prediction) => ('label' in prediction ? prediction.probabilities : [])),
          };
}

/** What stands in the place of an item that there is none of: the lowest FP32. */
const noScore = -3.4028234663852886e38;

/** Shorter lists are filled up with "" and the lowest score. */
function itemTensors(lists: { items: string[]; scores: number[] }[], count: number): OutputTensor[] {
  const filled = <T>(values: T[], filler: T) => [...values, ...new Array<T>(count - values.length).fill(filler)];
  const shape = [lists.length, count];
  return [
    { name: 'items', datatype: 'BYTES', shape, data: lists.flatMap(({ items }) => filled(items, '')) },
    { name: 'scores', datatype: 'FP32', shape, data: lists.flatMap(({ scores }) => filled(scores, noScore)) },
  ];
}

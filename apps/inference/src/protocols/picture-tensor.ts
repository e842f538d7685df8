import type { CheckedRows, ImageInput, Signature } from '@millrace/packaging';
import { invalidRequest } from '../request-error.ts';
import { noData, splitBytes } from './binary-tensor.ts';
import { asObject, checkColumns, type JsonObject, own, refuseTooMany } from './protocol.ts';

/**
 * Pictures in the Open Inference Protocol: one tensor of datatype UINT8 and shape [N, height, width, channels], of any height
 * and width, grey or coloured; or BYTES of shape [N], each the base64 text of a PNG or JPEG file; where the tensor came as bytes,
 * also the file itself.
 */
export function readPictures(signature: Signature, { name, width, height, channels }: ImageInput, inputs: readonly unknown[]): CheckedRows {
  const remedy = `Send one tensor "${name}": UINT8 of shape [N, ${height}, ${width}, ${channels}], or BYTES of shape [N] with base64 text of PNG or JPEG files.`;
  if (inputs.length > 1) throw invalidRequest('inputs', 'The model takes one tensor.', remedy);
  const field = 'inputs[0]';
  const tensor = asObject(inputs[0], field, remedy);
  if (own(tensor, 'name') !== name) throw invalidRequest(`${field}.name`, `The tensor is not called "${name}".`, remedy);
  const shape = own(tensor, 'shape');
  if (!Array.isArray(shape) || !shape.every((size): size is number => Number.isSafeInteger(size) && size >= 0)) throw invalidRequest(`${field}.shape`, `"${name}" has no usable shape.`, remedy);
  const data = own(tensor, 'data');
  if (!Array.isArray(data) && !(data instanceof Uint8Array)) throw noData(tensor, { field, name });
  refuseTooMany(shape[0] ?? 0);
  const datatype = own(tensor, 'datatype');
  if (datatype === 'BYTES') {
    if (shape.length !== 1 && !(shape.length === 2 && shape[1] === 1)) throw invalidRequest(`${field}.shape`, `"${name}" of BYTES has one text for each row.`, remedy);
    const texts: unknown[] = data instanceof Uint8Array ? splitBytes(data, shape[0]!, { field, name }).map(toBase64) : shape.length === 2 ? data.flat() : data;
    if (texts.length !== shape[0]) throw invalidRequest(`${field}.data`, `The data of "${name}" do not fill its shape ${JSON.stringify(shape)}.`, remedy);
    return checkColumns(signature, new Map([[name, texts.map((text) => (typeof text === 'string' ? { b64: text } : text))]]), 'tensor');
  }
  if (datatype !== 'UINT8') throw invalidRequest(`${field}.datatype`, `"${name}" is a picture, of datatype UINT8 or BYTES.`, remedy);
  return checkColumns(signature, new Map([[name, picturesOf(name, shape, data, field, remedy)]]), 'tensor');
}

/**
 * Turns the files of a request that came as bytes into texts where they stand, so that they are found and decoded like those
 * that came as texts. What doesn't fit its shape is refused when the rows are read. @throws RequestError 400
 */
export function unpackFiles(body: unknown): void {
  const inputs = typeof body === 'object' && body !== null ? own(body as JsonObject, 'inputs') : undefined;
  if (!Array.isArray(inputs)) return;
  for (const [index, input] of (inputs as unknown[]).entries()) {
    if (typeof input !== 'object' || input === null) continue;
    const tensor = input as JsonObject;
    const [data, shape] = [own(tensor, 'data'), own(tensor, 'shape')];
    const count: unknown = Array.isArray(shape) ? shape[0] : undefined;
    if (own(tensor, 'datatype') !== 'BYTES' || !(data instanceof Uint8Array) || !Number.isSafeInteger(count) || (count as number) < 0) continue;
    tensor['data'] = splitBytes(data, count as number, { field: `inputs[${index}]`, name: String(own(tensor, 'name')).slice(0, 60) }).map(toBase64);
  }
}

/** A file as text; what is no file is taken for the text already, and checked like one. */
function toBase64(element: Uint8Array): string {
  const isFile = element[0] === 0x89 || element[0] === 0xff; // of PNG and JPEG; neither begins a base64 text
  return Buffer.from(element.buffer, element.byteOffset, element.length).toString(isFile ? 'base64' : 'latin1');
}

function picturesOf(name: string, shape: number[], data: unknown[] | Uint8Array, field: string, remedy: string): object[] {
  const [count = 0, height = 0, width = 0, channels = 0] = shape;
  if (shape.length !== 4 || (channels !== 1 && channels !== 3) || height === 0 || width === 0) {
    throw invalidRequest(`${field}.shape`, `"${name}" has the shape ${JSON.stringify(shape)}, not [N, height, width, 1 or 3].`, remedy);
  }
  const size = height * width * channels;
  const values = data instanceof Uint8Array || !data.some((item) => Array.isArray(item)) ? data : data.flat(3);
  if (values.length !== count * size) throw invalidRequest(`${field}.data`, `The data of "${name}" do not fill its shape ${JSON.stringify(shape)}.`, remedy);
  const picturesIn = (bytes: Uint8Array): object[] => Array.from({ length: count }, (_, row) => ({ width, height, channels, data: bytes.subarray(row * size, (row + 1) * size) }));
  if (values instanceof Uint8Array) return picturesIn(values);
  const bytes = new Uint8Array(values.length);
  for (let at = 0; at < values.length; at++) {
    const value = values[at];
    if (typeof value !== 'number' || !Number.isInteger(value) || value < 0 || value > 255) {
      throw invalidRequest(`${field}.data`, `"${name}" has a value in row ${Math.floor(at / size)} that is no whole number from 0 to 255.`, remedy);
    }
    bytes[at] = value;
  }
  return picturesIn(bytes);
}

import type { JsonBody } from './json-body.ts';
import { invalidRequest } from './request-error.ts';

export const jsonLengthHeader = 'inference-header-content-length';

const remedy = 'Send the JSON text, then the bytes of each tensor that has a "binary_data_size", in the order of "inputs", and nothing else.';

/**
 * A body of the binary tensor extension of the Open Inference Protocol: a JSON text of the length that the header says, and
 * behind it the bytes of the inputs that have `parameters.binary_data_size`, in their order. Each gets its part as `data`, a
 * Uint8Array, which no JSON text can hold. What the bytes mean is read with the tensor.
 * @param parse reads the JSON text
 * @throws RequestError 400, or by its promise
 */
export function asSplitBody(bytes: Buffer, declaredLength: string, parse: (json: Buffer) => JsonBody | Promise<JsonBody>): JsonBody | Promise<JsonBody> {
  if (!/^\d{1,15}$/.test(declaredLength) || Number(declaredLength) > bytes.length) {
    const message = `Inference-Header-Content-Length is ${JSON.stringify(declaredLength.slice(0, 40))}; the body has ${bytes.length} bytes.`;
    throw invalidRequest(jsonLengthHeader, message, 'Send the length of the JSON text in bytes, before any compression.');
  }
  const body = parse(bytes.subarray(0, Number(declaredLength)));
  const rest = bytes.subarray(Number(declaredLength));
  return body instanceof Promise ? body.then((read) => withTensors(read, rest)) : withTensors(body, rest);
}

function withTensors(body: JsonBody, rest: Buffer): JsonBody {
  let at = 0;
  for (const [index, input] of inputsOf(body.value).entries()) {
    const size = binarySize(input);
    if (size === undefined) continue;
    const field = `inputs[${index}].parameters.binary_data_size`;
    if (typeof size !== 'number' || !Number.isSafeInteger(size) || size < 0) throw invalidRequest(field, '"binary_data_size" is no whole number from 0 up.', remedy);
    if (Object.hasOwn(input, 'data')) throw invalidRequest(`inputs[${index}].data`, 'A tensor has both "data" and a "binary_data_size".', 'Send one of them.');
    if (size > rest.length - at) throw invalidRequest(field, `A tensor of ${size} bytes is announced where ${rest.length - at} are left.`, remedy);
    input['data'] = rest.subarray(at, (at += size));
  }
  if (at < rest.length) throw invalidRequest('body', `${rest.length - at} bytes follow the last tensor.`, remedy);
  return body;
}

function inputsOf(value: unknown): Record<string, unknown>[] {
  const inputs = isObject(value) && Object.hasOwn(value, 'inputs') ? value['inputs'] : undefined;
  return Array.isArray(inputs) ? inputs.map((input: unknown) => (isObject(input) ? input : {})) : [];
}

/** `parameters.binary_data_size` of a tensor, undefined where it has none. */
export function binarySize(tensor: Record<string, unknown>): unknown {
  const parameters = Object.hasOwn(tensor, 'parameters') ? tensor['parameters'] : undefined;
  return isObject(parameters) && Object.hasOwn(parameters, 'binary_data_size') ? parameters['binary_data_size'] : undefined;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

import { type CheckedRows, checkRows, checkVectors, type furtherOutputs, type Prediction, type RowProblem, type Signature } from '@millrace/packaging';
import type { ServedEndpoint } from '@millrace/registry';
import { invalidRequest, invalidRows } from '../request-error.ts';

/** A prediction that was made, ready to be written in the words of a protocol. */
export interface Outcome {
  predictionId: string;
  served: ServedEndpoint;
  signature: Signature;
  predictions: Prediction[];
}

/** What a request asks for: its rows, checked against the signature, and how its answer is written. */
export interface Reading {
  checked: CheckedRows;
  write(outcome: Outcome): unknown;
}

/** An answer of which a part follows the JSON text as bytes. */
export class BinaryAnswer {
  readonly json: object;
  readonly tensors: readonly Uint8Array[];

  constructor(json: object, tensors: readonly Uint8Array[]) {
    this.json = json;
    this.tensors = tensors;
  }
}

/** What leaves the server: a JSON text, or one with bytes behind it and its length apart. */
export type Payload = { body: string; jsonLength?: undefined } | { body: Buffer; jsonLength: number };

export function toPayload(answer: unknown): Payload {
  if (!(answer instanceof BinaryAnswer)) return { body: JSON.stringify(answer) };
  const json = Buffer.from(JSON.stringify(answer.json), 'utf8');
  return { body: Buffer.concat([json, ...answer.tensors]), jsonLength: json.length };
}

/** Reads the body of a request against the signature of the model. @throws RequestError 400 */
export type ReadRequest = (signature: Signature, body: unknown) => Reading;

const maxRows = 10_000;
/** In one answer: the rest is found when these are mended, and a list of all could be larger than the request by far. */
export const mostProblems = 50;
const limits = { maxRows };

export type JsonObject = Record<string, unknown>;

export function asObject(value: unknown, field: string, remedy: string): JsonObject {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as JsonObject;
  throw invalidRequest(field, `${field === 'body' ? 'The body' : `"${field}"`} is not a JSON object.`, remedy);
}

/** Own properties only, so that nothing inherited is taken for something sent. */
export function own(object: JsonObject, key: string): unknown {
  return Object.hasOwn(object, key) ? object[key] : undefined;
}

/** Whether a value is the picture itself, `{"b64": …}`, and not a row that holds one. */
export function isBarePicture({ inputs: [input] }: Signature, value: unknown): boolean {
  return input?.type === 'image' && input.name !== 'b64' && typeof value === 'object' && value !== null && Object.hasOwn(value, 'b64');
}

/** Rows as a list whose elements are objects by feature name, or lists in the order of the features. */
export function checkList(signature: Signature, rows: unknown): CheckedRows {
  return Array.isArray(rows) && Array.isArray(rows[0]) ? checkVectors(signature, rows, limits) : checkRows(signature, rows, limits);
}

/** As TensorFlow Serving has it: a model with a single input may get its rows as bare values. */
export function checkInstances(signature: Signature, instances: unknown): CheckedRows {
  const isBare = signature.inputs.length === 1 && Array.isArray(instances) && (typeof instances[0] !== 'object' || instances[0] === null || isBarePicture(signature, instances[0]));
  if (isBare) return checkVectors(signature, instances.map((value: unknown) => [value]), limits);
  if (!Array.isArray(instances)) throw invalidRequest('instances', '"instances" is not a list.', 'Send a list of rows.');
  return checkList(signature, instances);
}

export function checkPositional(signature: Signature, vectors: unknown): CheckedRows {
  return checkVectors(signature, vectors, limits);
}

export function checkNamed(signature: Signature, rows: unknown): CheckedRows {
  return checkRows(signature, rows, limits);
}

/** Rows given as one list of values per feature. Problems with whole columns are found first, all of them. */
export function checkColumns(signature: Signature, columns: ReadonlyMap<string, readonly unknown[]>, noun = 'column'): CheckedRows {
  const problems: RowProblem[] = [];
  const names = new Set(signature.inputs.map((input) => input.name));
  for (const name of columns.keys()) {
    if (names.has(name)) continue;
    if (problems.length >= mostProblems) break;
    problems.push(columnProblem('unknown_feature', name, `There is a ${noun} "${name.slice(0, 60)}", which the model does not know.`, `Leave it out. The features are ${listed([...names])}.`));
  }
  const counts = new Set([...columns.values()].map((values) => values.length));
  if (counts.size > 1) {
    problems.push(columnProblem('wrong_length', [...columns.keys()][0]!, `The ${noun}s have different numbers of rows.`, `Give every ${noun} the same number of rows.`));
  }
  for (const input of signature.inputs) {
    if (columns.has(input.name) || !input.required) continue;
    const kind = input.type === 'number' ? 'numbers' : input.type === 'image' ? 'pictures' : 'text';
    problems.push(columnProblem('missing_feature', input.name, `There is no ${noun} "${input.name}".`, `Send a ${noun} "${input.name}" of ${kind}.`));
  }
  const count = counts.size === 0 ? 0 : Math.max(...counts);
  if (problems.length) throw invalidRows(problems);
  refuseTooMany(count);
  const ordered = signature.inputs.map((input) => columns.get(input.name));
  const rows = Array.from({ length: count }, (_, row) => ordered.map((values) => (values ? values[row] : null)));
  return checkVectors(signature, rows, limits);
}

/** For requests whose rows have yet to be put together: not before it is known that they are not too many. */
export function refuseTooMany(count: number): void {
  if (count <= maxRows) return;
  const message = `There are ${count} rows, more than ${maxRows}.`;
  throw invalidRows([{ row: null, field: 'rows', code: 'too_many_rows', message, remedy: `Send at most ${maxRows} rows at once.` }]);
}

function columnProblem(code: string, field: string, message: string, remedy: string): RowProblem {
  return { row: null, field: field.slice(0, 60), code, message, remedy };
}

export function listed(names: readonly string[]): string {
  const shown = names.slice(0, 20).map((name) => `"${name}"`).join(', ');
  return names.length > 20 ? `${shown} and ${names.length - 20} more` : shown;
}

/** Of recommendations: items and scores of each row. */
export function itemPredictions(predictions: readonly Prediction[]): { items: string[]; scores: number[] }[] {
  return predictions.flatMap((prediction) => ('items' in prediction ? [{ items: prediction.items, scores: prediction.scores }] : []));
}

/** The bare answer for each row: the label, the value, or the items; of an anomaly detection whether it is one, which the score alone does not tell. */
export function plainPredictions(predictions: readonly Prediction[]): (string | number | boolean | string[])[] {
  return predictions.map((prediction) => ('label' in prediction ? prediction.label : 'items' in prediction ? prediction.items : (prediction.anomaly?.isAnomaly ?? prediction.value)));
}

/** What an anomaly detection says of each row: as one object, contributions by the name of the feature. */
export function anomaliesByRow({ inputs }: Signature, predictions: readonly Prediction[]): object[] {
  return predictions.flatMap((prediction) => {
    if (!('value' in prediction) || !prediction.anomaly) return [];
    const { isAnomaly, contributions } = prediction.anomaly;
    return [{
      score: prediction.value,
      isAnomaly,
      ...(contributions ? { contributions: Object.fromEntries(inputs.map(({ name }, place) => [name, contributions[place]])) } : {}),
    }];
  });
}

/** The same by output: a value for each row, contributions as [rows][features] in the order of the signature. */
export function anomaliesByOutput(predictions: readonly Prediction[]): { score: number[]; isAnomaly: boolean[]; contributions?: number[][] } {
  const found = predictions.flatMap((prediction) => ('value' in prediction && prediction.anomaly ? [{ score: prediction.value, ...prediction.anomaly }] : []));
  const parts = found.flatMap(({ contributions }) => (contributions ? [contributions] : []));
  return {
    score: found.map(({ score }) => score),
    isAnomaly: found.map(({ isAnomaly }) => isAnomaly),
    ...(parts.length > 0 ? { contributions: parts } : {}),
  };
}

/** What a model answers a row with beside its prediction, by the name of the output. */
export function furtherValue(prediction: Prediction, name: ReturnType<typeof furtherOutputs>[number]): number | undefined {
  if (name === 'personalised') return Number(prediction.personalised);
  if (!('value' in prediction)) return undefined;
  return name === 'survival' ? prediction.survival : prediction.interval?.[name];
}

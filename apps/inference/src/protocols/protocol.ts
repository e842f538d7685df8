import { type CheckedRows, checkRows, checkVectors, type Prediction, type RowProblem, type Signature } from '@millrace/packaging';
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

/** Rows as a list whose elements are objects by feature name, or lists in the order of the features. */
export function checkList(signature: Signature, rows: unknown): CheckedRows {
  return Array.isArray(rows) && Array.isArray(rows[0]) ? checkVectors(signature, rows, limits) : checkRows(signature, rows, limits);
}

/** As TensorFlow Serving has it: a model with a single input may get its rows as bare values. */
export function checkInstances(signature: Signature, instances: unknown): CheckedRows {
  const isBare = signature.inputs.length === 1 && Array.isArray(instances) && (typeof instances[0] !== 'object' || instances[0] === null);
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
    const kind = input.type === 'number' ? 'numbers' : 'text';
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

/** The bare answer for each row: the label, or the value. */
export function plainPredictions(predictions: readonly Prediction[]): (string | number)[] {
  return predictions.map((prediction) => ('label' in prediction ? prediction.label : prediction.value));
}

/** One end of the interval of each row, of a model that has one. */
export function intervalEnds(predictions: readonly Prediction[], end: 'lower' | 'upper'): number[] {
  return predictions.flatMap((prediction) => ('value' in prediction && prediction.interval ? [prediction.interval[end]] : []));
}

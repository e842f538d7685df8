import { datePartOf, readIsoDate } from '@millrace/kernel';
import { readPicture } from './read-picture.ts';
import { type RowPlan, rowPlanOf } from './row-plan.ts';
import {
  absent, countProblem, listProblem, notADate, notAnObject, notAVector, notOffered, notText, numberProblem, outsideRange, type RowProblem, type RowWarning, tooManyPictures, unknownFeature, unseenCategory,
  unseenText,
} from './row-problem.ts';
import { maxTotalPixels, mostFitted } from './sent-pictures.ts';
import { numbersOf, type Signature, type SignatureInput } from './signature.ts';
import { ValidatedRows } from './validated-rows.ts';

export type CheckedRows =
  | { type: 'valid'; rows: ValidatedRows; warnings: RowWarning[] }
  | { type: 'invalid'; problems: RowProblem[] };

export interface CheckLimits {
  /** rows in one request; 10,000 unless told */
  maxRows?: number;
  /** of all pictures in one request; eight million unless told */
  maxPixels?: number;
}

const DEFAULT_MAX_ROWS = 10_000;
/** Checking stops here: an answer with ten thousand problems helps nobody. */
const MAX_PROBLEMS = 50;
const MAX_WARNINGS = 50;

/**
 * Checks rows that are objects by feature name: an array of them, or one. Nothing is coerced: a number must be a finite
 * number, a category must be text. An optional feature may be null or left out. Problems end at 50, warnings likewise.
 */
export function checkRows(signature: Signature, rows: unknown, limits: CheckLimits = {}): CheckedRows {
  return check(signature, isPlainObject(rows) ? [rows] : rows, limits, readObject);
}

/** As `checkRows`, for positional rows: arrays in the order of the signature's inputs; an array of them, or one. */
export function checkVectors(signature: Signature, vectors: unknown, limits: CheckLimits = {}): CheckedRows {
  const isNested = (item: unknown) => typeof item === 'object' && item !== null;
  // A row may end with a list, and never begins with one.
  const hasList = rowPlanOf(signature).hasList;
  const isOneRow = Array.isArray(vectors) && vectors.length > 0 && (hasList ? !isNested(vectors[0]) : !vectors.some(isNested));
  return check(signature, isOneRow ? [vectors] : vectors, limits, readVector);
}

/** Finds the values of a row by index of the input, `undefined` where there is none; null once it reported why not. */
type RowReader = (row: unknown, index: number, model: RowPlan, report: Report) => ((input: number) => unknown) | null;

type Report = (problem: RowProblem) => void;

function check(signature: Signature, rows: unknown, limits: CheckLimits, read: RowReader): CheckedRows {
  const problems: RowProblem[] = [];
  const warnings: RowWarning[] = [];
  const model = rowPlanOf(signature);
  const whole = countProblem(rows, limits.maxRows ?? DEFAULT_MAX_ROWS);
  if (whole !== null) return { type: 'invalid', problems: [whole] };

  const list = rows as unknown[];
  const plain = read === readVector ? readPlain(list, model) : null;
  if (plain !== null) return { type: 'valid', rows: new ValidatedRows(list.length, model.layout, plain, []), warnings };
  if (list.length * model.pixels > mostFitted) {
    const most = Math.floor(mostFitted / model.pixels);
    return { type: 'invalid', problems: [tooManyPictures(list.length, most)] };
  }
  const numbers = new Float64Array(list.length * model.numbers);
  const categories = new Array<string>(list.length * model.categories);
  const lists = model.hasList ? new Array<readonly string[]>(list.length).fill([]) : [];
  let nextNumber = 0;
  let nextCategory = 0;
  const pixels = new Uint8Array(list.length * model.pixels);
  let pixelsLeft = limits.maxPixels ?? maxTotalPixels;
  const report: Report = (problem) => problems.push(problem);

  for (let index = 0; index < list.length && problems.length < MAX_PROBLEMS; index++) {
    const valueOf = read(list[index], index, model, report);
    if (valueOf === null) continue;
    for (let position = 0; position < model.inputs.length; position++) {
      const input = model.inputs[position]!;
      const value = valueOf(position);
      const known = model.known[position]!;
      if (value === undefined || value === null) {
        if (input.required) report(absent(input, index, value));
        if (input.type === 'image' || input.type === 'list') continue;
        if (known === null) for (let i = numbersOf(input); i > 0; i--) numbers[nextNumber++] = NaN;
        else categories[nextCategory++] = model.missingCategory;
      } else if (input.type === 'number') {
        const problem = numberProblem(input, value, index);
        if (problem !== null) {
          report(problem);
          continue;
        }
        const number = value as number;
        if (input.closed && !(Number.isInteger(number) && number >= input.min && number <= input.max)) {
          report(notOffered(input, number, index));
          continue;
        }
        if ((number < input.min || number > input.max) && warnings.length < MAX_WARNINGS) {
          warnings.push(outsideRange(input, number, index));
        }
        numbers[nextNumber++] = number;
      } else if (input.type === 'list') {
        const problem = listProblem(input, value, index);
        if (problem !== null) report(problem);
        else lists[index] = knownTexts(input, value as string[], index, known!, warnings);
      } else if (input.type === 'image') {
        const picture = readPicture(input, value, index, pixelsLeft);
        if ('problem' in picture) {
          report(picture.problem);
          continue;
        }
        pixels.set(picture.data, index * model.pixels);
        pixelsLeft -= picture.pixels;
      } else if (input.type === 'date') {
        const moment = typeof value === 'string' ? readIsoDate(value) : null;
        if (moment === null) report(notADate(input, value, index));
        else for (const part of input.parts) numbers[nextNumber++] = datePartOf(moment, part);
      } else if (typeof value !== 'string') {
        report(notText(input, value, index));
      } else if (known?.has(value)) {
        categories[nextCategory++] = value;
      } else if (input.closed) {
        report(notOffered(input, value, index));
      } else {
        if (warnings.length < MAX_WARNINGS) warnings.push(unseenCategory(input, value, index));
        // Missing and unseen are encoded alike, and only known text ever reaches the native runtime.
        categories[nextCategory++] = model.missingCategory;
      }
    }
  }
  if (problems.length > 0) return { type: 'invalid', problems: problems.slice(0, MAX_PROBLEMS) };
  return { type: 'valid', rows: new ValidatedRows(list.length, model.layout, numbers, categories, pixels, lists), warnings };
}

/**
 * What most requests are: lists of numbers within what was seen in training, about which there is nothing to say. Null for any other, which
 * is looked at cell by cell.
 * @returns [rows, inputs]
 */
function readPlain(rows: readonly unknown[], { ranges }: RowPlan): Float64Array | null {
  if (ranges === null) return null;
  const { min, max } = ranges;
  const width = min.length;
  const numbers = new Float64Array(rows.length * width);
  let next = 0;
  for (const row of rows) {
    if (!Array.isArray(row) || row.length !== width) return null;
    for (let position = 0; position < width; position++) {
      const value: unknown = row[position];
      // NaN is within no range.
      if (typeof value !== 'number' || !(value >= min[position]! && value <= max[position]!)) return null;
      numbers[next++] = value;
    }
  }
  return numbers;
}

const readObject: RowReader = (row, index, { inputs, names }, report) => {
  if (!isPlainObject(row)) {
    report(notAnObject(row, index, inputs));
    return null;
  }
  let unknown = 0;
  for (const key of Object.keys(row)) {
    if (names.has(key)) continue;
    if (++unknown > MAX_PROBLEMS) break;
    report(unknownFeature(key, index, names));
  }
  // Own properties only: a feature named "constructor" must not find the one that every object inherits.
  return (position) => {
    const { name } = inputs[position]!;
    return Object.hasOwn(row, name) ? row[name] : undefined;
  };
};

const readVector: RowReader = (row, index, { inputs }, report) => {
  if (Array.isArray(row) && row.length === inputs.length) return (position) => row[position] as unknown;
  report(notAVector(row, index, inputs));
  return null;
};

/** The texts of a list that the model knows; the others make no difference, and a warning says so. */
function knownTexts(input: SignatureInput, value: readonly string[], row: number, known: ReadonlySet<string>, warnings: RowWarning[]): string[] {
  const texts = [...new Set(value)];
  for (const text of texts) {
    if (!known.has(text) && text !== '' && warnings.length < MAX_WARNINGS) warnings.push(unseenText(input, text, row));
  }
  return texts.filter((text) => known.has(text));
}

function isPlainObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !ArrayBuffer.isView(value);
}

import { datePartOf, type Problem, readIsoDate } from '@millrace/kernel';
import { readPicture } from './read-picture.ts';
import { maxTotalPixels, mostFitted } from './sent-pictures.ts';
import { numbersOf, type Signature, type SignatureInput } from './signature.ts';

/** One thing wrong with the rows sent. `field` is the feature, or `rows` / `rows[3]` where a whole row is at fault. */
export interface RowProblem extends Problem {
  /** index of the row, from 0; null where the request as a whole is at fault */
  row: number | null;
}

/** Something the model accepts but has not seen in training. */
export interface RowWarning {
  row: number;
  field: string;
  code: 'unseen_category' | 'outside_training_range';
  message: string;
}

export type CheckedRows =
  | { type: 'valid'; rows: ValidatedRows; warnings: RowWarning[] }
  | { type: 'invalid'; problems: RowProblem[] };

export interface CheckLimits {
  /** rows in one request; 10,000 unless told */
  maxRows?: number;
  /** of all pictures in one request; eight million unless told */
  maxPixels?: number;
}

/** An empty array is dear to make, and most models take neither pictures nor lists. */
const noPixels = new Uint8Array();
const noLists: readonly (readonly string[])[] = [];

/** Rows that were found to fit a signature, packed as the graph takes them. Made by the checks below only. */
export class ValidatedRows {
  readonly count: number;
  /** which signature they fit: rows for one model are never fed to another */
  readonly layout: string;
  /** [count, numbers of the graph], NaN where missing */
  readonly numbers: Float64Array;
  /** [count, other features] */
  readonly categories: string[];
  /** [count, height, width, channels] where the model looks at a picture */
  readonly pixels: Uint8Array;

  /** by row: what was sent for the input that is a list; empty where there is none */
  readonly lists: readonly (readonly string[])[];

  constructor(count: number, layout: string, numbers: Float64Array, categories: string[], pixels: Uint8Array = noPixels, lists: readonly (readonly string[])[] = noLists) {
    this.count = count;
    this.layout = layout;
    this.numbers = numbers;
    this.categories = categories;
    this.lists = lists;
    this.pixels = pixels;
  }

  /** The rows again and again, until there are so many. */
  repeated(count: number): ValidatedRows {
    const { layout, numbers, categories, pixels, lists } = this;
    const fill = <T extends Float64Array | Uint8Array>(from: T, to: T): T => {
      for (let at = 0; at < to.length; at += from.length) to.set(from.subarray(0, Math.min(from.length, to.length - at)), at);
      return to;
    };
    const length = (one: { length: number }) => (one.length / this.count) * count;
    const cells = Array.from({ length: length(categories) }, (_, at) => categories[at % categories.length]!);
    const own = Array.from({ length: length(lists) }, (_, at) => lists[at % lists.length]!);
    return new ValidatedRows(count, layout, fill(numbers, new Float64Array(length(numbers))), cells, fill(pixels, new Uint8Array(length(pixels))), own);
  }

  /** Some of the rows, one after another. */
  slice(start: number, end: number): ValidatedRows {
    const { count, layout, numbers, categories, pixels, lists } = this;
    const range = ({ length }: { length: number }) => [(start * length) / count, (end * length) / count] as const;
    return new ValidatedRows(end - start, layout, numbers.slice(...range(numbers)), categories.slice(...range(categories)), pixels.slice(...range(pixels)), lists.slice(start, lists.length === 0 ? 0 : end));
  }
}

const DEFAULT_MAX_ROWS = 10_000;
/** Checking stops here: an answer with ten thousand problems helps nobody. */
const MAX_PROBLEMS = 50;
const MAX_WARNINGS = 50;
/** A number this many times beyond all that was seen in training is no measurement, and would overflow in the model. */
const ABSURD = 1e9;

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
  const hasList = compile(signature).hasList;
  const isOneRow = Array.isArray(vectors) && vectors.length > 0 && (hasList ? !isNested(vectors[0]) : !vectors.some(isNested));
  return check(signature, isOneRow ? [vectors] : vectors, limits, readVector);
}

/** Names the columns of a signature and how they are packed; equal for equal signatures. */
export function layoutOf(signature: Signature): string {
  return compile(signature).layout;
}

interface Compiled {
  layout: string;
  inputs: readonly SignatureInput[];
  /** by index of the input: its known categories, null for a number or date */
  known: ReadonlyArray<ReadonlySet<string> | null>;
  names: ReadonlySet<string>;
  numbers: number;
  categories: number;
  hasList: boolean;
  /** by input, where all are numbers of which any within the range will do */
  ranges: { min: Float64Array; max: Float64Array } | null;
  /** of one row, times channels */
  pixels: number;
  missingCategory: string;
}

const compiled = new WeakMap<Signature, Compiled>();

function compile(signature: Signature): Compiled {
  const ready = compiled.get(signature);
  if (ready !== undefined) return ready;
  const { inputs, graph } = signature;
  const numbers = inputs.reduce((sum, input) => sum + numbersOf(input), 0);
  const open = inputs.flatMap((input) => (input.type === 'number' && !input.closed && Number.isFinite(input.min) && Number.isFinite(input.max) ? [input] : []));
  const fresh: Compiled = {
    ranges: open.length === inputs.length ? { min: Float64Array.from(open, ({ min }) => min), max: Float64Array.from(open, ({ max }) => max) } : null,
    layout: JSON.stringify([graph.missingCategory, ...inputs.map((input) => [input.name, input.categories ?? input.parts ?? (input.type === 'image' ? [input.height, input.width, input.channels, ...(input.shortSide === undefined ? [] : [input.shortSide])] : input.type === 'list' ? input.choices : null)])]),
    inputs,
    known: inputs.map((input) => (input.categories ? new Set(input.categories) : input.type === 'list' ? new Set(input.choices) : null)),
    names: new Set(inputs.map((input) => input.name)),
    numbers,
    categories: inputs.filter((input) => input.categories).length,
    hasList: inputs.some((input) => input.type === 'list'),
    pixels: inputs.reduce((sum, input) => sum + (input.type === 'image' ? input.width * input.height * input.channels : 0), 0),
    missingCategory: graph.missingCategory,
  };
  compiled.set(signature, fresh);
  return fresh;
}

/** Finds the values of a row by index of the input, `undefined` where there is none; null once it reported why not. */
type RowReader = (row: unknown, index: number, model: Compiled, report: Report) => ((input: number) => unknown) | null;

type Report = (problem: RowProblem) => void;

function check(signature: Signature, rows: unknown, limits: CheckLimits, read: RowReader): CheckedRows {
  const problems: RowProblem[] = [];
  const warnings: RowWarning[] = [];
  const model = compile(signature);
  const whole = checkCount(rows, limits.maxRows ?? DEFAULT_MAX_ROWS);
  if (whole !== null) return { type: 'invalid', problems: [whole] };

  const list = rows as unknown[];
  const plain = read === readVector ? readPlain(list, model) : null;
  if (plain !== null) return { type: 'valid', rows: new ValidatedRows(list.length, model.layout, plain, []), warnings };
  if (list.length * model.pixels > mostFitted) {
    const most = Math.floor(mostFitted / model.pixels);
    return { type: 'invalid', problems: [{ row: null, field: 'rows', code: 'too_many_rows', message: `There are ${list.length} pictures; at the size that the model looks at, ${most} fit into one request.`, remedy: `Send at most ${most} at once.` }] };
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
        const problem = checkNumber(input, value, index);
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
        lists[index] = checkTexts(input, value, index, known!, report, warnings);
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
function readPlain(rows: readonly unknown[], { ranges }: Compiled): Float64Array | null {
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
    report({
      row: index,
      field: `rows[${index}]`,
      code: 'not_an_object',
      message: `Row ${index} is ${describe(row)}, not an object.`,
      remedy: `Send each row as an object by feature name: ${example(inputs)}.`,
    });
    return null;
  }
  let unknown = 0;
  for (const key of Object.keys(row)) {
    if (names.has(key)) continue;
    if (++unknown > MAX_PROBLEMS) break;
    const field = shorten(key);
    report({
      row: index,
      field,
      code: 'unknown_feature',
      message: `Row ${index} has "${field}", which the model does not know.`,
      remedy: `Leave it out or correct its name. The features are ${list([...names])}.`,
    });
  }
  // Own properties only: a feature named "constructor" must not find the one that every object inherits.
  return (position) => {
    const { name } = inputs[position]!;
    return Object.hasOwn(row, name) ? row[name] : undefined;
  };
};

const readVector: RowReader = (row, index, { inputs }, report) => {
  if (Array.isArray(row) && row.length === inputs.length) return (position) => row[position] as unknown;
  const names = inputs.map((input) => input.name);
  if (!Array.isArray(row)) {
    report({
      row: index,
      field: `rows[${index}]`,
      code: 'not_a_list',
      message: `Row ${index} is ${describe(row)}, not a list.`,
      remedy: `Send each row as a list of ${names.length} values in the order ${list(names)}.`,
    });
    return null;
  }
  report({
    row: index,
    field: `rows[${index}]`,
    code: 'wrong_length',
    message: `Row ${index} has ${row.length} values instead of ${names.length}.`,
    remedy: `Send ${names.length} values in the order ${list(names)}; null where an optional one is missing.`,
  });
  return null;
};

/** More than this many of them were not chosen by a person or a catalogue. */
const MAX_LISTED = 10_000;

/** The texts of a list that the model knows; the others make no difference, and a warning says so. */
function checkTexts(input: SignatureInput & { type: 'list' }, value: unknown, row: number, known: ReadonlySet<string>, report: Report, warnings: RowWarning[]): string[] {
  const remedy = `Send a list of texts, such as ${JSON.stringify(input.choices.slice(0, 2))}, or leave it out.`;
  if (!Array.isArray(value)) {
    report({ row, field: input.name, code: 'not_a_list', message: `Row ${row} has ${describe(value)} for "${input.name}", which is a list.`, remedy });
    return [];
  }
  if (value.length > MAX_LISTED) {
    report({ row, field: input.name, code: 'too_large', message: `Row ${row} lists ${value.length} values for "${input.name}".`, remedy: `Send at most ${MAX_LISTED}.` });
    return [];
  }
  const stranger = value.find((one) => typeof one !== 'string') as unknown;
  if (stranger !== undefined || value.includes(undefined)) {
    report({ row, field: input.name, code: 'not_text', message: `Row ${row} has ${describe(stranger)} within "${input.name}", which is a list of text.`, remedy });
    return [];
  }
  const texts = [...new Set(value as string[])];
  for (const text of texts) {
    if (!known.has(text) && text !== '' && warnings.length < MAX_WARNINGS) {
      warnings.push({ row, field: input.name, code: 'unseen_category', message: `Row ${row} lists "${shorten(text)}" for "${input.name}", which training never saw; it makes no difference.` });
    }
  }
  return texts.filter((text) => known.has(text));
}

function checkCount(rows: unknown, maxRows: number): RowProblem | null {
  const whole = { row: null, field: 'rows' };
  if (!Array.isArray(rows)) {
    const message = `The rows are ${describe(rows)}, not a list.`;
    return { ...whole, code: 'not_a_list', message, remedy: 'Send a list of rows.' };
  }
  if (rows.length === 0) {
    return { ...whole, code: 'no_rows', message: 'There are no rows.', remedy: 'Send at least one row.' };
  }
  if (rows.length <= maxRows) return null;
  const message = `There are ${rows.length} rows, more than ${maxRows}.`;
  return { ...whole, code: 'too_many_rows', message, remedy: `Send at most ${maxRows} rows at once.` };
}

function absent(input: SignatureInput, row: number, value: undefined | null): RowProblem {
  const kind = { number: 'a number', date: 'a date', image: '{"b64": …} with a PNG or JPEG file', category: 'text', binary: 'text', list: 'a list of text' }[input.type];
  const [code, message] =
    value === null
      ? ['null_value', `Row ${row} has null for "${input.name}", which had no gaps in training.`]
      : ['missing_feature', `Row ${row} has no "${input.name}".`];
  return { row, field: input.name, code, message, remedy: `Send "${input.name}" as ${kind}.` };
}

/** What a number in disguise is written as by other programs. */
const NOT_FINITE_TEXT = /^\s*[+-]?(nan|inf|infinity)\s*$/i;

function checkNumber(input: SignatureInput & { type: 'number' }, value: unknown, row: number): RowProblem | null {
  if (typeof value === 'number' && Number.isFinite(value)) {
    const limit = ABSURD * Math.max(1, Math.abs(input.min), Math.abs(input.max));
    if (Math.abs(value) <= limit) return null;
    return {
      row,
      field: input.name,
      code: 'too_large',
      message: `Row ${row} has ${value} for "${input.name}"; training saw ${input.min} to ${input.max}.`,
      remedy: `Send "${input.name}" in the unit of the training data, between ${-limit} and ${limit}.`,
    };
  }
  if (typeof value === 'number' || (typeof value === 'string' && NOT_FINITE_TEXT.test(value))) {
    return {
      row,
      field: input.name,
      code: 'not_finite',
      message: `Row ${row} has ${describe(value)} for "${input.name}".`,
      remedy: input.required ? 'Send a finite number.' : 'Send a finite number, or null where the value is missing.',
    };
  }
  const isQuoted = typeof value === 'string' && value.trim() !== '' && Number.isFinite(Number(value));
  return {
    row,
    field: input.name,
    code: 'not_a_number',
    message: `Row ${row} has ${describe(value)} for "${input.name}", which is a number.`,
    remedy: isQuoted ? `Send ${Number(value)}, without quotes.` : `Send a number, such as ${input.min}.`,
  };
}

function notADate(input: SignatureInput & { type: 'date' }, value: unknown, row: number): RowProblem {
  return {
    row,
    field: input.name,
    code: 'not_a_date',
    message: `Row ${row} has ${describe(value)} for "${input.name}", which is a date.`,
    remedy: `Send text such as "${input.max}" or "${input.max}T14:30:00Z".`,
  };
}

function notText(input: SignatureInput & { categories: string[] }, value: unknown, row: number): RowProblem {
  const spelled = typeof value === 'number' || typeof value === 'boolean' ? String(value) : input.categories[0];
  return {
    row,
    field: input.name,
    code: 'not_text',
    message: `Row ${row} has ${describe(value)} for "${input.name}", which is text.`,
    remedy: spelled === undefined ? 'Send text.' : `Send text, such as ${JSON.stringify(shorten(spelled))}.`,
  };
}

/** Of an input that is closed: there is no answer to other values. */
function notOffered(input: SignatureInput, value: number | string, row: number): RowProblem {
  const message = `Row ${row} has ${describe(value)} for "${input.name}", which the model has no answer to.`;
  const remedy = input.type === 'number' ? `Send a whole number from ${input.min} to ${input.max}.` : `Send one of ${list(input.categories ?? [])}.`;
  return { row, field: input.name, code: 'value_not_offered', message, remedy };
}

function outsideRange(input: SignatureInput & { type: 'number' }, value: number, row: number): RowWarning {
  const message = `Row ${row} has ${value} for "${input.name}"; training saw ${input.min} to ${input.max}.`;
  return { row, field: input.name, code: 'outside_training_range', message };
}

function unseenCategory(input: SignatureInput, value: string, row: number): RowWarning {
  const message =
    `Row ${row} has "${shorten(value)}" for "${input.name}", which training never saw; it counts as missing.`;
  return { row, field: input.name, code: 'unseen_category', message };
}

function isPlainObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !ArrayBuffer.isView(value);
}

function describe(value: unknown): string {
  if (typeof value === 'string') return `the text ${JSON.stringify(shorten(value))}`;
  if (value === null || value === undefined) return 'nothing';
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object') return 'an object';
  return typeof value === 'function' ? 'a function' : shorten(String(value));
}

function example(inputs: readonly SignatureInput[]): string {
  const shown = inputs.slice(0, 3).map((input) => {
    const value = input.type === 'image' ? { b64: '…' } : input.type === 'list' ? input.choices.slice(0, 1) : (input.min ?? input.categories?.[0] ?? '');
    return `${JSON.stringify(input.name)}: ${JSON.stringify(value)}`;
  });
  return `{${shown.join(', ')}${inputs.length > 3 ? ', …' : ''}}`;
}

function list(names: readonly string[]): string {
  const shown = names.slice(0, 20).map((name) => `"${shorten(name)}"`).join(', ');
  return names.length > 20 ? `${shown} and ${names.length - 20} more` : shown;
}

/** What callers sent is echoed in part only. */
function shorten(text: string): string {
  return text.length > 60 ? `${text.slice(0, 60)}…` : text;
}

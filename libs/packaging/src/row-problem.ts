import type { Problem } from '@millrace/kernel';
import type { SignatureInput } from './signature.ts';

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

/** Null where there are rows, and not too many. */
export function countProblem(rows: unknown, maxRows: number): RowProblem | null {
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

export function tooManyPictures(count: number, most: number): RowProblem {
  return { row: null, field: 'rows', code: 'too_many_rows', message: `There are ${count} pictures; at the size that the model looks at, ${most} fit into one request.`, remedy: `Send at most ${most} at once.` };
}

export function notAnObject(row: unknown, index: number, inputs: readonly SignatureInput[]): RowProblem {
  return {
    row: index,
    field: `rows[${index}]`,
    code: 'not_an_object',
    message: `Row ${index} is ${describe(row)}, not an object.`,
    remedy: `Send each row as an object by feature name: ${example(inputs)}.`,
  };
}

export function unknownFeature(key: string, index: number, names: ReadonlySet<string>): RowProblem {
  const field = shorten(key);
  return {
    row: index,
    field,
    code: 'unknown_feature',
    message: `Row ${index} has "${field}", which the model does not know.`,
    remedy: `Leave it out or correct its name. The features are ${list([...names])}.`,
  };
}

export function notAVector(row: unknown, index: number, inputs: readonly SignatureInput[]): RowProblem {
  const where = { row: index, field: `rows[${index}]` };
  const order = list(inputs.map(({ name }) => name));
  return Array.isArray(row)
    ? {
        ...where,
        code: 'wrong_length',
        message: `Row ${index} has ${row.length} values instead of ${inputs.length}.`,
        remedy: `Send ${inputs.length} values in the order ${order}; null where an optional one is missing.`,
      }
    : {
        ...where,
        code: 'not_a_list',
        message: `Row ${index} is ${describe(row)}, not a list.`,
        remedy: `Send each row as a list of ${inputs.length} values in the order ${order}.`,
      };
}

export function absent(input: SignatureInput, row: number, value: undefined | null): RowProblem {
  const kind = { number: 'a number', date: 'a date', image: '{"b64": …} with a PNG or JPEG file', category: 'text', binary: 'text', list: 'a list of text' }[input.type];
  const [code, message] =
    value === null
      ? ['null_value', `Row ${row} has null for "${input.name}", which had no gaps in training.`]
      : ['missing_feature', `Row ${row} has no "${input.name}".`];
  return { row, field: input.name, code, message, remedy: `Send "${input.name}" as ${kind}.` };
}

/** A number this many times beyond all that was seen in training is no measurement, and would overflow in the model. */
const ABSURD = 1e9;

/** What a number in disguise is written as by other programs. */
const NOT_FINITE_TEXT = /^\s*[+-]?(nan|inf|infinity)\s*$/i;

/** Null where it is a number that can be computed with. */
export function numberProblem(input: SignatureInput & { type: 'number' }, value: unknown, row: number): RowProblem | null {
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

export function notADate(input: SignatureInput & { type: 'date' }, value: unknown, row: number): RowProblem {
  return {
    row,
    field: input.name,
    code: 'not_a_date',
    message: `Row ${row} has ${describe(value)} for "${input.name}", which is a date.`,
    remedy: `Send text such as "${input.max}" or "${input.max}T14:30:00Z".`,
  };
}

export function notText(input: SignatureInput & { categories: string[] }, value: unknown, row: number): RowProblem {
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
export function notOffered(input: SignatureInput, value: number | string, row: number): RowProblem {
  const message = `Row ${row} has ${describe(value)} for "${input.name}", which the model has no answer to.`;
  const remedy = input.type === 'number' ? `Send a whole number from ${input.min} to ${input.max}.` : `Send one of ${list(input.categories ?? [])}.`;
  return { row, field: input.name, code: 'value_not_offered', message, remedy };
}

/** More than this many of them were not chosen by a person or a catalogue. */
const MAX_LISTED = 10_000;

/** Null where it is a list of text. */
export function listProblem(input: SignatureInput & { type: 'list' }, value: unknown, row: number): RowProblem | null {
  const field = input.name;
  const remedy = `Send a list of texts, such as ${JSON.stringify(input.choices.slice(0, 2))}, or leave it out.`;
  if (!Array.isArray(value)) return { row, field, code: 'not_a_list', message: `Row ${row} has ${describe(value)} for "${field}", which is a list.`, remedy };
  if (value.length > MAX_LISTED) return { row, field, code: 'too_large', message: `Row ${row} lists ${value.length} values for "${field}".`, remedy: `Send at most ${MAX_LISTED}.` };
  const stranger = value.find((one) => typeof one !== 'string') as unknown;
  if (stranger === undefined && !value.includes(undefined)) return null;
  return { row, field, code: 'not_text', message: `Row ${row} has ${describe(stranger)} within "${field}", which is a list of text.`, remedy };
}

export function outsideRange(input: SignatureInput & { type: 'number' }, value: number, row: number): RowWarning {
  const message = `Row ${row} has ${value} for "${input.name}"; training saw ${input.min} to ${input.max}.`;
  return { row, field: input.name, code: 'outside_training_range', message };
}

export function unseenCategory(input: SignatureInput, value: string, row: number): RowWarning {
  const message =
    `Row ${row} has "${shorten(value)}" for "${input.name}", which training never saw; it counts as missing.`;
  return { row, field: input.name, code: 'unseen_category', message };
}

export function unseenText(input: SignatureInput, text: string, row: number): RowWarning {
  return { row, field: input.name, code: 'unseen_category', message: `Row ${row} lists "${shorten(text)}" for "${input.name}", which training never saw; it makes no difference.` };
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

import type { Problem } from '@millrace/kernel';
import type { Prediction, Signature } from '@millrace/packaging';
import { mostProbabilities } from './live-metrics.ts';
import type { TimeTruth } from './live-survival.ts';

/** How the answers of a model are held against the truth: as one of some classes, as a number, as a time to an end, or as a list of items; null where they cannot be. */
export type TruthKind =
  | { type: 'classes'; /** as feedback names them */ classes: readonly (string | boolean)[]; /** by the score of an anomaly, not by probabilities */ isScored: boolean }
  | { type: 'numbers' }
  | { type: 'times' }
  | { type: 'items'; /** that are recommended at most */ count: number }
  | null;

/**
 * What is kept of a row's answer: its number or the place of its class; with probabilities the place and, of two classes, that of the
 * second, of more those of all in their order, of an anomaly with its score; of a remaining life the median,
 * the chance to go on beyond the horizon, and the horizon; the items that were recommended, best first.
 */
export type RecordedAnswer = number | readonly number[] | readonly string[];

/** What was true: a number, the place of a class, a time, the items that were taken; null where it is not known. */
export type Truth = number | TimeTruth | readonly string[] | null;

/** So that the fourth power of an error is still a number. */
const largestTruth = 1e60;
const longestTime = 1e12;
const mostProblems = 50;
const [mostItems, longestItem] = [1_000, 1_000];

export function truthKindOf({ task, output }: Pick<Signature, 'task' | 'output'>): TruthKind {
  switch (task) {
    case 'classification':
      return output.classes ? { type: 'classes', classes: output.classes, isScored: false } : null;
    case 'anomaly_detection':
      return { type: 'classes', classes: [false, true], isScored: true };
    case 'regression':
    case 'forecasting':
      return { type: 'numbers' };
    case 'recommendation':
      return output.type === 'items' ? { type: 'items', count: output.count } : null;
    case 'survival':
      return { type: 'times' };
  }
}

/** Places of classes, found once a signature: an answer may have many rows, and a model many classes. */
const places = new WeakMap<readonly string[], Map<string, number>>();

/** What is kept of each row's answer. Null where there is nothing to hold it against. */
export function answersOf(signature: Signature, predictions: readonly Prediction[]): RecordedAnswer[] | null {
  if (truthKindOf(signature) === null) return null;
  const { classes } = signature.output;
  let placeOf: Map<string, number> | undefined;
  if (classes) {
    placeOf = places.get(classes);
    if (!placeOf) places.set(classes, (placeOf = new Map(classes.map((label, place) => [label, place]))));
  }
  const answers: RecordedAnswer[] = [];
  for (const prediction of predictions) {
    if ('label' in prediction) answers.push(withProbabilities(placeOf!.get(prediction.label)!, prediction.probabilities));
    else if ('value' in prediction && prediction.survival !== undefined) answers.push([inSixDigits(prediction.value), inMillionths(prediction.survival), inSixDigits(prediction.horizon!)]);
    else if ('value' in prediction) answers.push(prediction.anomaly ? [Number(prediction.anomaly.isAnomaly), inSixDigits(prediction.value)] : prediction.value);
    else answers.push(prediction.items);
  }
  return answers;
}

function withProbabilities(place: number, probabilities: readonly number[]): RecordedAnswer {
  const { length } = probabilities;
  if (length === 2) return [place, inMillionths(probabilities[1]!)];
  return length > 2 && length <= mostProbabilities ? [place, ...probabilities.map(inMillionths)] : place;
}

/** Finer than what scores are told apart by, and times need to be. */
const inSixDigits = (value: number): number => Number(value.toPrecision(6));
const inMillionths = (probability: number): number => Math.round(probability * 1e6) / 1e6;

export type ReadTruths = { type: 'read'; truths: Truth[] } | { type: 'invalid'; problems: (Problem & { row?: number })[] };

/** The label of feedback: a value, or a list with one for each row, null where the truth is not known yet; of recommendations each is an item, or a list of them. Never coerced. */
export function readTruths(kind: NonNullable<TruthKind>, label: unknown, rows: number): ReadTruths {
  const given: unknown[] = Array.isArray(label) ? label : [label];
  const wanted = wantedOf(kind);
  if (given.length !== rows) {
    const message = Array.isArray(label) ? `There are ${given.length} labels for ${rows} predicted row${rows === 1 ? '' : 's'}.` : `The prediction has ${rows} rows, and there is one label.`;
    return { type: 'invalid', problems: [{ code: 'wrong_length', field: 'label', message, remedy: rows === 1 ? (kind.type === 'items' ? 'Send one item as text, or a list with one list: [["a", "b"]].' : `Send ${wanted}.`) : `Send a list of ${rows}, each ${wanted}, or null where it is not known.` }] };
  }
  const problems: (Problem & { row?: number })[] = [];
  const truths = given.map((value, row): Truth => {
    if (value === null) return null;
    if (kind.type === 'items' && isTaken(value)) return typeof value === 'string' ? [value] : [...new Set(value)];
    const place = kind.type === 'classes' ? kind.classes.findIndex((name) => name === value) : -1;
    if (place >= 0) return place;
    const time = kind.type === 'times' ? timeOf(value) : null;
    if (time) return time;
    if (kind.type === 'numbers' && typeof value === 'number' && Number.isFinite(value) && Math.abs(value) <= largestTruth) return value;
    if (problems.length < mostProblems) problems.push({ ...whyNot(kind, value), field: Array.isArray(label) ? `label[${row}]` : 'label', row, remedy: `Send ${wanted}${kind.type === 'classes' && typeof kind.classes[0] === 'string' ? ', as text' : ''}.` });
    return null;
  });
  if (problems.length) return { type: 'invalid', problems };
  if (truths.every((truth) => truth === null)) return { type: 'invalid', problems: [{ code: 'null_value', field: 'label', message: 'No truth is given.', remedy: `Send ${wanted} for at least one row.` }] };
  return { type: 'read', truths };
}

/** Who took nothing is no truth about a list, as at training. */
function isTaken(value: unknown): value is string | string[] {
  const items: unknown[] = Array.isArray(value) ? value : [value];
  return items.length > 0 && items.length <= mostItems && items.every((item) => typeof item === 'string' && item.length > 0 && item.length <= longestItem);
}

/** A number is when it ended; an object says whether it did. */
function timeOf(value: unknown): TimeTruth | null {
  const { time, event, ...rest } = (typeof value === 'object' && value !== null && !Array.isArray(value) ? value : { time: value, event: true }) as Partial<TimeTruth>;
  return typeof time === 'number' && time > 0 && time <= longestTime && typeof event === 'boolean' && Object.keys(rest).length === 0 ? { time, event } : null;
}

function wantedOf(kind: NonNullable<TruthKind>): string {
  switch (kind.type) {
    case 'numbers':
      return 'a number';
    case 'times':
      return 'the time at which it ended, or {"time": 300, "event": false} if it still went on then';
    case 'items':
      return 'the item that was taken, as text, or a list of those that were';
    case 'classes':
      return `one of ${shown(kind.classes)}`;
  }
}

function whyNot(kind: NonNullable<TruthKind>, value: unknown): { code: string; message: string } {
  if (kind.type === 'items') {
    if (Array.isArray(value) && value.length === 0) return { code: 'null_value', message: 'A list of no items says nothing about a recommendation.' };
    return { code: 'not_text', message: `Items are texts of at most ${longestItem} characters, at most ${mostItems} of them.` };
  }
  if (kind.type === 'times') return { code: 'not_a_time', message: `A time is a number above 0, at most ${longestTime}; beside it stands whether it ended then, true or false.` };
  if (kind.type === 'numbers') {
    if (typeof value !== 'number') return { code: 'not_a_number', message: 'The model predicts numbers, and this is none.' };
    return Number.isFinite(value) ? { code: 'too_large', message: `${value} is beyond what can be scored.` } : { code: 'not_finite', message: 'This is no finite number.' };
  }
  if (typeof value === typeof kind.classes[0]) return { code: 'unknown_class', message: `The model knows no class ${JSON.stringify(String(value).slice(0, 60))}.` };
  return typeof kind.classes[0] === 'boolean'
    ? { code: 'not_a_boolean', message: 'Whether a row was an anomaly is true or false.' }
    : { code: 'not_text', message: 'The model’s classes are texts, and this is none.' };
}

function shown(classes: readonly (string | boolean)[]): string {
  const first = classes.slice(0, 10).map((name) => JSON.stringify(name)).join(', ');
  return classes.length > 10 ? `${first} and ${classes.length - 10} more` : first;
}

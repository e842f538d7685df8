import type { Problem } from '@millrace/kernel';
import type { Prediction, Signature } from '@millrace/packaging';

/** How the answers of a model are held against the truth: as one of some classes, or as a number; null where they cannot be yet. */
export type TruthKind = { type: 'classes'; /** as feedback names them */ classes: readonly (string | boolean)[] } | { type: 'numbers' } | null;

/** So that the fourth power of an error is still a number. */
const largestTruth = 1e60;
const mostProblems = 50;

export function truthKindOf({ task, output }: Pick<Signature, 'task' | 'output'>): TruthKind {
  switch (task) {
    case 'classification':
      return output.classes ? { type: 'classes', classes: output.classes } : null;
    case 'anomaly_detection':
      return { type: 'classes', classes: [false, true] };
    case 'regression':
    case 'forecasting':
      return { type: 'numbers' };
    case 'survival': // most ends are not known yet: what is known says little of the rest
    case 'recommendation':
      return null;
  }
}

/** Places of classes, found once a signature: an answer may have many rows, and a model many classes. */
const places = new WeakMap<readonly string[], Map<string, number>>();

/** What is kept of each row's answer: the place of its class, or its number. Null where there is nothing to hold it against. */
export function answersOf(signature: Signature, predictions: readonly Prediction[]): number[] | null {
  if (truthKindOf(signature) === null) return null;
  const { classes } = signature.output;
  let placeOf: Map<string, number> | undefined;
  if (classes) {
    placeOf = places.get(classes);
    if (!placeOf) places.set(classes, (placeOf = new Map(classes.map((label, place) => [label, place]))));
  }
  const answers: number[] = [];
  for (const prediction of predictions) {
    if ('label' in prediction) answers.push(placeOf!.get(prediction.label)!);
    else if ('value' in prediction) answers.push(prediction.anomaly ? Number(prediction.anomaly.isAnomaly) : prediction.value);
  }
  return answers;
}

export type ReadTruths = { type: 'read'; /** places of classes, or numbers; null where the truth is not known */ truths: (number | null)[] } | { type: 'invalid'; problems: (Problem & { row?: number })[] };

/** The label of feedback: a value, or a list with one for each row, null where the truth is not known yet. Never coerced. */
export function readTruths(kind: NonNullable<TruthKind>, label: unknown, rows: number): ReadTruths {
  const given: unknown[] = Array.isArray(label) ? label : [label];
  const wanted = kind.type === 'numbers' ? 'a number' : `one of ${shown(kind.classes)}`;
  if (given.length !== rows) {
    const message = Array.isArray(label) ? `There are ${given.length} labels for ${rows} predicted row${rows === 1 ? '' : 's'}.` : `The prediction has ${rows} rows, and there is one label.`;
    return { type: 'invalid', problems: [{ code: 'wrong_length', field: 'label', message, remedy: rows === 1 ? `Send ${wanted}.` : `Send a list of ${rows}, each ${wanted}, or null where it is not known.` }] };
  }
  const problems: (Problem & { row?: number })[] = [];
  const truths = given.map((value, row) => {
    if (value === null) return null;
    const place = kind.type === 'classes' ? kind.classes.findIndex((name) => name === value) : -1;
    if (place >= 0) return place;
    if (kind.type === 'numbers' && typeof value === 'number' && Number.isFinite(value) && Math.abs(value) <= largestTruth) return value;
    if (problems.length < mostProblems) problems.push({ ...whyNot(kind, value), field: Array.isArray(label) ? `label[${row}]` : 'label', row, remedy: `Send ${wanted}${kind.type === 'classes' && typeof kind.classes[0] === 'string' ? ', as text' : ''}.` });
    return null;
  });
  if (problems.length) return { type: 'invalid', problems };
  if (truths.every((truth) => truth === null)) return { type: 'invalid', problems: [{ code: 'null_value', field: 'label', message: 'No truth is given.', remedy: `Send ${wanted} for at least one row.` }] };
  return { type: 'read', truths };
}

function whyNot(kind: NonNullable<TruthKind>, value: unknown): { code: string; message: string } {
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

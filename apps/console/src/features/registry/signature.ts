/** What a model takes and gives, as a version's `signature` says. */
export interface Signature {
  task: 'classification' | 'regression' | 'forecasting' | 'survival' | 'anomaly_detection' | 'recommendation';
  family: string;
  /** in the order of a positional row */
  inputs: SignatureInput[];
  output: { name: string; type: string; classes?: string[]; interval?: { coverage: number; halfWidth: number }; /** of a recommendation */ count?: number; excludesSeen?: boolean };
  forecast?: { lastObservation: string; frequency: string; horizon: number; intervalCoverage: number };
  survival?: { horizon: number; intervalCoverage: number };
  personalisation?: { column: string; heads: number };
  anomaly?: { threshold: number; falseAlarmRate: number; hasContributions: boolean };
}

export type SignatureInput =
  | { name: string; type: 'number'; required: boolean; min: number; max: number; closed?: true }
  | { name: string; type: 'date'; required: boolean; min: string; max: string; closed?: never }
  | { name: string; type: 'category' | 'binary'; required: boolean; categories: string[]; closed?: true }
  | { name: string; type: 'image'; required: true; width: number; height: number; channels: number; /** not stretched: the middle is cut out */ shortSide?: number; closed?: never }
  | { name: string; type: 'list'; required: boolean; choices: string[]; closed?: never };

export function signatureOf(json: unknown): Signature | null {
  const candidate = json as Partial<Signature> | null;
  return candidate && Array.isArray(candidate.inputs) && candidate.output ? (candidate as Signature) : null;
}

/** A row as a form holds it: every value as text, a picture as base64 of its file; '' stands for a missing one. */
export type RowDraft = Record<string, string>;
export type Row = Record<string, number | string | string[] | { b64: string } | null>;

/** A row to start from: the middle of each range, the first of the categories. */
export function exampleRow(signature: Signature): RowDraft {
  return Object.fromEntries(signature.inputs.map((input) => [input.name, exampleOf(input)]));
}

/** Half way between the bounds, with no more digits than the range calls for. */
function exampleOf(input: SignatureInput): string {
  if (input.type === 'date') return input.max;
  if (input.type === 'image' || input.type === 'list') return '';
  if (input.type !== 'number') return input.categories[0] ?? '';
  if (input.closed) return String(input.min);
  const span = input.max - input.min;
  if (!(span > 0)) return String(input.min);
  const digits = Math.min(10, Math.max(0, 2 - Math.floor(Math.log10(span))));
  return String(Number(((input.min + input.max) / 2).toFixed(digits)));
}

export interface RowProblem {
  field: string;
  message: string;
  remedy: string;
}

export type ReadRow = { type: 'row'; row: Row } | { type: 'incomplete'; problems: RowProblem[] };

/** Reads a filled-in form. What the server would refuse anyway is said at once, beside the field. */
export function readRow(signature: Signature, draft: RowDraft): ReadRow {
  const problems: RowProblem[] = [];
  const row: Row = {};
  for (const input of signature.inputs) {
    const text = (draft[input.name] ?? '').trim();
    if (text === '' && !('categories' in input && input.categories.includes(''))) {
      row[input.name] = null;
      if (input.required) problems.push({ field: input.name, message: 'A value is missing.', remedy: 'This model needs one here.' });
      continue;
    }
    if (input.type === 'image') {
      row[input.name] = { b64: text };
      continue;
    }
    if (input.type === 'list') {
      row[input.name] = listIn(text);
      continue;
    }
    if (input.type === 'date' && Number.isNaN(Date.parse(text))) {
      problems.push({ field: input.name, message: `“${text}” is not a date.`, remedy: 'Write it as 2026-03-31 or 2026-03-31T14:30:00Z.' });
      continue;
    }
    if (input.type !== 'number') {
      row[input.name] = draft[input.name] ?? '';
      continue;
    }
    const value = Number(text);
    if (Number.isFinite(value)) row[input.name] = value;
    else problems.push({ field: input.name, message: `“${text}” is not a number.`, remedy: 'Write it with a decimal point and without a unit.' });
  }
  return problems.length > 0 ? { type: 'incomplete', problems } : { type: 'row', row };
}

/** A list stands in a draft as JSON; none as ''. */
export function listIn(text: string): string[] {
  return text === '' ? [] : (JSON.parse(text) as string[]);
}

/** Whether the value lies outside of what the model has seen: it answers, but has no ground to stand on. */
export function isOutside(input: SignatureInput, text: string): boolean {
  if (input.type !== 'number' || text.trim() === '') return false;
  const value = Number(text);
  return Number.isFinite(value) && (value < input.min || value > input.max);
}

export interface Answer {
  /** the class, or the number */
  prediction: string | number;
  /** most probable first; null for a number */
  probabilities: { label: string; probability: number }[] | null;
  /** of a recommendation: best first */
  items?: { item: string; score: number }[];
  /** of a forecast, and of a number whose version states how far it may be off */
  interval?: { lower: number; upper: number };
  /** of a survival model: the probability to live beyond the horizon */
  survival?: number;
  /** of a model with heads: whether one of them answered */
  isPersonalised?: boolean;
  /** of an anomaly detection, whose prediction is the score; what adds most comes first, null where the family does not tell */
  anomaly?: { isAnomaly: boolean; contributions: { label: string; value: number }[] | null };
}

/** An answer of the data plane: `{prediction, probabilities}` in the order of the classes, `{items, scores}`, or the bare value. */
export function answerOf(signature: Signature, prediction: unknown): Answer | null {
  if (typeof prediction === 'string' || typeof prediction === 'number') return { prediction, probabilities: null };
  if (typeof prediction !== 'object' || prediction === null) return null;
  if (signature.anomaly) return anomalyOf(prediction);
  if ('items' in prediction) {
    const { items, scores } = prediction as { items: string[]; scores: number[] };
    return { prediction: items[0] ?? '', probabilities: null, items: items.map((item, at) => ({ item, score: scores[at] ?? 0 })) };
  }
  if (!('prediction' in prediction)) return null;
  const { prediction: label, probabilities } = prediction as { prediction: unknown; probabilities?: unknown };
  if (typeof label !== 'string' && typeof label !== 'number') return null;
  const { lower, upper, survival, personalised } = prediction as { lower?: unknown; upper?: unknown; survival?: unknown; personalised?: unknown };
  const further = {
    ...(typeof lower === 'number' && typeof upper === 'number' ? { interval: { lower, upper } } : {}),
    ...(typeof survival === 'number' ? { survival } : {}),
    ...(typeof personalised === 'number' ? { isPersonalised: personalised === 1 } : {}),
  };
  const { classes } = signature.output;
  if (!classes || !Array.isArray(probabilities)) return { prediction: label, probabilities: null, ...further };
  const listed = classes.map((name, index) => ({ label: name, probability: Number(probabilities[index] ?? 0) }));
  return { prediction: label, probabilities: listed.sort((a, b) => b.probability - a.probability), ...further };
}

function anomalyOf(prediction: object): Answer | null {
  const { score, isAnomaly, contributions } = prediction as { score?: unknown; isAnomaly?: unknown; contributions?: Record<string, number> };
  if (typeof score !== 'number' || typeof isAnomaly !== 'boolean') return null;
  const listed = contributions ? Object.entries(contributions).map(([label, value]) => ({ label, value })) : null;
  return { prediction: score, probabilities: null, anomaly: { isAnomaly, contributions: listed?.sort((a, b) => b.value - a.value) ?? null } };
}

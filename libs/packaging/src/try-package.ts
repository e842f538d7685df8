import { DomainError, type Problem } from '@millrace/kernel';
import type { Agreement } from './agreement.ts';
import { findCallSize } from './call-size.ts';
import { checkRows, checkVectors, type CheckedRows } from './check-rows.ts';
import type { ValidatedRows } from './validated-rows.ts';
import { inventRows } from './invent-rows.ts';
import { type LoadedModel, loadModel, type Prediction } from './loaded-model.ts';
import type { PackageFiles } from './model-package.ts';
import type { Signature } from './signature.ts';

/** A row, as object or in the order of the inputs, and what the model is known to answer. */
export interface SampleRow {
  inputs: unknown;
  /** number or class */
  prediction: number | string;
  /** in the order of the classes */
  probabilities?: number[];
}

export type TriedPackage = { type: 'works'; agreement: Agreement; speed: CallSpeed } | { type: 'refused'; problems: Problem[] };

export interface TrialOptions {
  /** that a call may take */
  longestMs?: number;
  /** somebody whose word is taken has made the graph: it is as good with one number of rows as with another */
  isTrusted?: boolean;
}

/** What a call of the graph took here, in milliseconds of one processor. */
export interface CallSpeed {
  /** with which a call stays within the bound; no more than the signature says */
  rowsPerCall: number;
  millisecondsPerCall: number;
}

/** So long at most may one call of a model of unknown origin hold the process that serves it, in milliseconds. */
const longestCallMs = 100;
/** To try one number of rows after another may take so many times as long, on the clock. */
const mostTrialCalls = 10;
/** As between the engines: see `agree`. */
const tolerance = 1e-4;

/**
 * Loads a package of unknown origin and has it predict: the sample rows, or rows made up within its ranges; one by one and as
 * many as one call will ever hold: so many that a call holds the process no longer than a tenth of a second, and no more than
 * were tried, one number of rows after another, unless it is trusted. Answers must be those that are known, and no row may change another's answer.
 * Run it in a process of its own with limits: a graph may ask for any amount of time and memory, or bring the engine down.
 */
export async function tryPackage(files: PackageFiles, samples: unknown, { longestMs = longestCallMs, isTrusted = false }: TrialOptions = {}): Promise<TriedPackage> {
  let model: LoadedModel;
  try {
    model = await loadModel(files);
  } catch (error) {
    return refused('load_failed', 'model', error instanceof DomainError ? error.message : 'The model cannot be loaded.', 'Export the model again; see whether ONNX Runtime loads it elsewhere.');
  }
  try {
    const { signature } = model;
    const known = readSamples(samples);
    if ('problem' in known) return { type: 'refused', problems: [known.problem] };
    const rows = known.samples.length ? known.samples.map(({ inputs }) => inputs) : inventRows(signature);
    const checked = check(signature, rows);
    if (checked.type === 'invalid') {
      const problems = checked.problems.slice(0, 10).map((problem) => ({ code: problem.code, field: `sampleRows[${problem.row ?? 0}].inputs.${problem.field}`, message: problem.message, remedy: problem.remedy }));
      return { type: 'refused', problems };
    }
    const manyOf = (length: number) => checked.rows.repeated(length);
    const size = await findCallSize(async (length) => (await timed(model, manyOf(length))).milliseconds, { most: signature.graph.rowsPerCall, longest: longestMs });
    if (size.type === 'too-slow') return tooSlow(1, size.milliseconds, longestMs);
    const together = await model.predict(checked.rows);
    const alone: Prediction[] = [];
    for (let row = 0; row < rows.length; row++) alone.push(...(await model.predict(checked.rows, row, row + 1)));
    const isStable = (answers: readonly Prediction[]): boolean => answers.every((one, at) => distance(alone[at % rows.length]!, one) <= allowed(alone[at % rows.length]!));
    const dependent = (): Extract<TriedPackage, { type: 'refused' }> =>
      refused('row_dependent', 'model', 'The answer to a row depends on the rows beside it, or changes from call to call.', 'Export the model for inference, with a variable number of rows.');
    if (!isStable(together) || !isStable(await inCallsOf(model, checked.rows, size.rows))) return dependent();
    // Whatever a graph makes of shapes follows from the number of rows: one that nobody has tried could be the one that takes all memory.
    let speed: CallSpeed = { rowsPerCall: size.rows, millisecondsPerCall: size.milliseconds };
    const until = performance.now() + mostTrialCalls * longestMs;
    for (let count = 1; !isTrusted && count <= size.rows && performance.now() <= until; count++) {
      const many = manyOf(count);
      const { answers, milliseconds } = await timed(model, many);
      // Twice: something else in this process may have come in between.
      if (milliseconds > 2 * longestMs && (await timed(model, many)).milliseconds > 2 * longestMs) return tooSlow(count, milliseconds, longestMs);
      if (!isStable(answers)) return dependent();
      speed = { rowsPerCall: count, millisecondsPerCall: count === size.rows ? size.milliseconds : milliseconds };
    }
    if (signature.output.classes) {
      const odd = together.find((one) => !('probabilities' in one) || one.probabilities.some((p) => p < -tolerance || p > 1 + tolerance) || Math.abs(one.probabilities.reduce((a, b) => a + b, 0) - 1) > 1e-3);
      if (odd) return refused('not_probabilities', 'outputs', 'What the model gives for its classes are no probabilities: they do not add up to 1.', 'If they are values before Softmax or Sigmoid, say scores: logits in the signature.');
    }
    const stranger = together.find((one) => 'label' in one && !signature.output.classes?.includes(one.label));
    if (stranger && 'label' in stranger) {
      return refused('unknown_label', 'outputs', `The model gives the label ${JSON.stringify(stranger.label.slice(0, 100))}, which is none of its classes.`, 'Name the classes in the signature as the model does, in its order.');
    }
    const compared = compare(known.samples, together, signature);
    if (compared.type !== 'agrees') return compared;
    return { type: 'works', agreement: compared, speed: { ...speed, millisecondsPerCall: Number(speed.millisecondsPerCall.toFixed(3)) } };
  } catch (error) {
    if (!(error instanceof DomainError)) {
      return refused('prediction_failed', 'model', `ONNX Runtime cannot predict with it: ${String(error instanceof Error ? error.message : error).slice(0, 300)}`, 'See whether it predicts elsewhere, with one row and with several.');
    }
    return refused('no_finite_prediction', 'model', error.message, 'Give sample rows of usual values, or correct the model.');
  } finally {
    await model.close();
  }
}

/** In calls that are full, the last one with rows from the beginning. */
async function inCallsOf(model: LoadedModel, rows: ValidatedRows, size: number): Promise<Prediction[]> {
  const calls = Math.ceil(rows.count / size);
  const full = rows.repeated(calls * size);
  const answers: Prediction[] = [];
  for (let call = 0; call < calls; call++) answers.push(...(await model.predict(full, call * size, (call + 1) * size)));
  return answers;
}

/** Not the time on the clock: what else the machine does is not the model's doing. The engine runs a call in one thread. */
async function timed(model: LoadedModel, rows: ValidatedRows): Promise<{ answers: Prediction[]; milliseconds: number }> {
  const before = process.cpuUsage();
  const answers = await model.predict(rows);
  const { user, system } = process.cpuUsage(before);
  return { answers, milliseconds: (user + system) / 1000 };
}

function tooSlow(rows: number, milliseconds: number, allowedMs: number): Extract<TriedPackage, { type: 'refused' }> {
  const what = rows === 1 ? 'one row' : `${rows} rows`;
  const message = `A prediction of ${what} holds the processor for ${Math.ceil(milliseconds)} milliseconds; ${allowedMs} are allowed, since others wait meanwhile.`;
  return refused('too_slow', 'model', message, 'Import a smaller model: fewer or narrower layers, fewer or shallower trees.');
}

const refused = (code: string, field: string, message: string, remedy: string): Extract<TriedPackage, { type: 'refused' }> => ({ type: 'refused', problems: [{ code, field, message, remedy }] });

const check = (signature: Signature, rows: unknown[]): CheckedRows => (Array.isArray(rows[0]) ? checkVectors(signature, rows) : checkRows(signature, rows));

function readSamples(value: unknown): { samples: SampleRow[] } | { problem: Problem } {
  if (value === undefined || value === null) return { samples: [] };
  const unfit = (field: string): { problem: Problem } => ({
    problem: { code: 'sample_row', field, message: 'This is no sample row.', remedy: 'Give {"inputs": {name: value, …}, "prediction": the answer}, all with inputs of the same form.' },
  });
  if (!Array.isArray(value) || value.length > 1_000) return unfit('sampleRows');
  for (const [index, row] of (value as unknown[]).entries()) {
    const { inputs, prediction, probabilities, ...rest } = (typeof row === 'object' && row !== null ? row : {}) as Record<string, unknown>;
    const isRow = typeof inputs === 'object' && inputs !== null && (typeof prediction === 'string' || Number.isFinite(prediction)) && Object.keys(rest).length === 0;
    const areShares = probabilities === undefined || (Array.isArray(probabilities) && probabilities.every((share) => Number.isFinite(share)));
    if (!isRow || !areShares || Array.isArray(inputs) !== Array.isArray((value[0] as SampleRow).inputs)) return unfit(`sampleRows[${index}]`);
  }
  return { samples: value as SampleRow[] };
}

function compare(samples: SampleRow[], answers: Prediction[], signature: Signature): Extract<Agreement, { type: 'agrees' }> | Extract<TriedPackage, { type: 'refused' }> {
  let maxDifference = 0;
  for (const [index, sample] of samples.entries()) {
    const answer = answers[index]!;
    const expected = expectedOf(sample, answer);
    const difference = expected ? distance(expected, answer) : Infinity;
    if (difference > (expected ? allowed(expected) : 0)) {
      const said = JSON.stringify('value' in answer ? answer.value : 'items' in answer ? answer.items : { [signature.output.name]: answer.label, probabilities: answer.probabilities.slice(0, 20) });
      return refused('disagrees', `sampleRows[${index}].prediction`, `For sample row ${index} the model answers ${said.slice(0, 300)}, not ${JSON.stringify(sample.prediction).slice(0, 100)}.`, 'See whether columns and classes stand in the order of the model.');
    }
    maxDifference = Math.max(maxDifference, difference);
  }
  return { type: 'agrees', rows: samples.length, maxDifference, tolerance };
}

/** What the sample says, as a prediction of the answer's kind; of recommendations, which item comes first. Null when it cannot be one. */
function expectedOf({ prediction, probabilities }: SampleRow, answer: Prediction): Prediction | null {
  if ('value' in answer) return typeof prediction === 'number' ? { value: prediction } : null;
  if ('items' in answer) return { items: [String(prediction), ...answer.items.slice(1)], scores: answer.scores };
  return { label: String(prediction), probabilities: probabilities ?? answer.probabilities };
}

/** For a number in proportion to it: a foreign model's float32 knows no more than seven digits. */
const allowed = (expected: Prediction): number => ('value' in expected ? tolerance * Math.max(1, Math.abs(expected.value)) : tolerance);

function distance(left: Prediction, right: Prediction | undefined): number {
  if (right === undefined) return Infinity;
  if ('value' in left) return 'value' in right ? Math.abs(left.value - right.value) : Infinity;
  if ('items' in left) {
    const isSame = 'items' in right && JSON.stringify(left.items) === JSON.stringify(right.items);
    return isSame ? Math.max(0, ...left.scores.map((score, index) => Math.abs(score - right.scores[index]!))) : Infinity;
  }
  if ('value' in right || 'items' in right || left.label !== right.label || left.probabilities.length !== right.probabilities.length) return Infinity;
  return Math.max(...left.probabilities.map((share, index) => Math.abs(share - right.probabilities[index]!)));
}

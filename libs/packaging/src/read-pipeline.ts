import { type DatePart, readIsoDate, datePartOf } from '@millrace/kernel';
import type { FittedFeature, FittedTarget } from './fitted-columns.ts';
import type { EnsembleMember } from './fitted-estimator.ts';
import type { FittedPipeline } from './fitted-pipeline.ts';
import { GraphCursor, UnknownGraph } from './graph-cursor.ts';
import { type PackageFiles, signatureBytes } from './model-package.ts';
import { readAnswer } from './read-answer.ts';
import { readConvolutionalEstimator, readEstimator, type ReadPart } from './read-estimator.ts';
import { readGraph, UnfitModel } from './read-graph.ts';
import { isAtHeads, readHeads } from './read-heads.ts';
import { parseSignature, type Signature, signatureOf } from './signature.ts';
import { fieldsOf } from './wire-format.ts';
import { writeModel } from './write-model.ts';

/** `imported`: the graph was made elsewhere. `unsupported`: a kind of model that is not read back, or an older way of writing one. */
export type ReadPipeline = { type: 'read'; pipeline: FittedPipeline } | { type: 'unreadable'; reason: 'imported' | 'unsupported'; message: string };

/**
 * The fitted pipeline that a package was written from. What is read is written again and compared: it is the same to the last
 * byte, or refused. What no answer depends on is not in a graph and comes back as any value: the scale of numbers that trees
 * read, or the target's scale of a model that does not need one.
 */
export function readPipeline(files: PackageFiles): ReadPipeline {
  const model = files.get('model.onnx');
  const parsed = parseSignature(jsonOf(files.get('signature.json')));
  if (!model || 'complaint' in parsed) return unsupported('The package has no graph, or no signature.');
  const { signature } = parsed;
  if (signature.family === 'onnx') return { type: 'unreadable', reason: 'imported', message: 'The model was imported: only its graph is known.' };
  if (signature.task !== 'classification' && signature.task !== 'regression') return unsupported(`A model for ${signature.task.replace('_', ' ')} is not read back.`);
  try {
    const pipeline = readModel(model, signature);
    const fresh = signatureOf(pipeline);
    // How many rows a call takes may have been measured since.
    const again = { ...fresh, graph: { ...fresh.graph, rowsPerCall: signature.graph.rowsPerCall } };
    const isSame = Buffer.from(writeModel(pipeline, again)).equals(model) && Buffer.from(signatureBytes(again)).equals(files.get('signature.json')!);
    return isSame ? { type: 'read', pipeline } : unsupported('The model was written in another way than this version of Millrace does.');
  } catch (error) {
    if (error instanceof UnknownGraph || error instanceof UnfitModel) return unsupported(`The graph of the model is not understood: ${error.message}`);
    throw error;
  }
}

const unsupported = (message: string): ReadPipeline => ({ type: 'unreadable', reason: 'unsupported', message });

function readModel(model: Uint8Array, signature: Signature): FittedPipeline {
  const cursor = new GraphCursor(readGraph(model));
  const target = plainTarget(signature);
  const [input] = signature.inputs;
  if (input?.type === 'image') {
    const { name, width, height, channels } = input;
    const image = { name, width, height, channels };
    if (cursor.peek() === 'Shape') return { ...readWhole(cursor, [], target, signature), image };
    if (target.type === 'number') throw new UnknownGraph('A network for pictures answers numbers.');
    const estimator = readConvolutionalEstimator(cursor);
    cursor.skip('ArgMax', 'Gather');
    return { features: [], image, target: readAnswer(cursor, target), estimator };
  }
  const features = featuresOf(signature, numberNames(model));
  if (!signature.personalisation) return readWhole(cursor, features, target, signature);
  const { column } = signature.personalisation;
  const named = features.at(-1);
  if (named?.name !== column || named.type === 'number') throw new UnknownGraph('No input names the group of a row.');
  const shared = readWhole(cursor, [...features.slice(0, -1), { ...named, categories: [] }], target, signature);
  // Of corrected probabilities the shared answer is one more cast, which nobody but the heads reads.
  if (!isAtHeads(cursor)) cursor.skip('Cast');
  return { ...shared, ...readHeads(cursor, features, shared.target, { column, groups: named.categories }) };
}

/** A model of one estimator, or an ensemble. */
function readWhole(cursor: GraphCursor, features: FittedFeature[], target: FittedTarget, { family }: Signature): FittedPipeline {
  if (family !== 'ensemble') return readPart(cursor, features, target, family);
  const members: EnsembleMember[] = [];
  do {
    const part = readPart(cursor, features, target, '');
    cursor.skip('Cast');
    members.push({ ...part, weight: cursor.number(cursor.take('Mul').inputs[1]) });
    if (members.length > 1) cursor.skip('Add');
  } while (!isAtEndOfEnsemble(cursor));
  if (target.type !== 'number') cursor.skip('Cast', 'ArgMax', 'Gather');
  return { features, target: target.type === 'number' ? target : readAnswer(cursor, target), estimator: { family: 'ensemble', members } };
}

/** Whether what follows makes the answer of the sum: of classes a cast before their label is found, of a number its output. */
function isAtEndOfEnsemble(cursor: GraphCursor): boolean {
  return cursor.peek() === 'Identity' || cursor.peek() === '' || isAtHeads(cursor) || (cursor.peek() === 'Cast' && cursor.peek(1) === 'ArgMax');
}

function readPart(cursor: GraphCursor, features: FittedFeature[], target: FittedTarget, family: string): ReadPart {
  const part = readEstimator(cursor, features, target, family);
  return part.target.type === 'number' ? part : { ...part, target: readAnswer(cursor, part.target) };
}

function plainTarget({ output }: Signature): FittedTarget {
  if (output.type === 'number') return { name: output.name, type: 'number', mean: 0, scale: 1, ...(output.interval ? { interval: { ...output.interval } } : {}) };
  if (output.type === 'items') throw new UnknownGraph('Items are no classes.');
  return { name: output.name, type: output.type, classes: [...output.classes] };
}

/** The features by the signature; fill, mean and scale are not known there. */
export function featuresOf({ inputs }: Signature, names: string[]): FittedFeature[] {
  let place = 0;
  const number = { mean: 0, scale: 1, fill: 0 };
  return inputs.flatMap((input): FittedFeature[] => {
    switch (input.type) {
      case 'number':
        return [{ name: names[place++]!, type: 'number', min: input.min, max: input.max, ...number, missingAllowed: !input.required }];
      case 'date':
        return input.parts.map((part) => {
          const [min, max] = part === 'day' ? [dayOf(input.min), dayOf(input.max)] : [0, 0];
          const of: { column: string; part: DatePart } = { column: input.name, part };
          return { name: names[place++]!, type: 'number', min, max, ...number, missingAllowed: !input.required, of };
        });
      case 'category':
      case 'binary':
        return [{ name: input.name, type: input.type, categories: [...input.categories], missingAllowed: !input.required }];
      default:
        throw new UnknownGraph(`An input of type ${input.type} is not read back.`);
    }
  });
}

function dayOf(text: string): number {
  const moment = readIsoDate(text);
  if (moment === null) throw new UnknownGraph(`${text} is no date.`);
  return datePartOf(moment, 'day');
}

/** The names of the graph's numbers in their order, which stand in its metadata. */
export function numberNames(model: Uint8Array): string[] {
  for (const { number, bytes } of fieldsOf(model)) {
    if (number !== 14) continue;
    const [key, value] = fieldsOf(bytes).map((field) => Buffer.from(field.bytes).toString('utf8'));
    if (key === 'numbers') return JSON.parse(value ?? '[]') as string[];
  }
  return [];
}

/** Undefined for what is no JSON. */
export function jsonOf(bytes: Uint8Array | undefined): unknown {
  try {
    return JSON.parse(Buffer.from(bytes ?? []).toString('utf8'));
  } catch {
    return undefined;
  }
}

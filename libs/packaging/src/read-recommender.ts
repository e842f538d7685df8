import { readLookUp, readTurned, type KeptRows } from './embedding-tables.ts';
import type { EmbeddingStorage, FeatureCode, FittedRecommender, ScoreRule } from './fitted-recommender.ts';
import { GraphCursor, UnknownGraph } from './graph-cursor.ts';
import { type PackageFiles, signatureBytes } from './model-package.ts';
import { jsonOf } from './read-pipeline.ts';
import { readGraph, UnfitModel } from './read-graph.ts';
import { parseSignature, type Signature } from './signature.ts';
import { recommenderSignature, writeRecommender } from './write-recommender.ts';

/** `imported` cannot be: nobody imports recommenders. */
export type ReadRecommender = { type: 'read'; recommender: FittedRecommender } | { type: 'unreadable'; reason: 'unsupported'; message: string };

const unsupported = (message: string): ReadRecommender => ({ type: 'unreadable', reason: 'unsupported', message });

/**
 * The recommender of vectors (factors or towers) that a package was written from, the same to the last byte once it is written again,
 * or refused. What users had is in a graph only where that is left out of answers, and comes back empty otherwise.
 */
export function readRecommender(files: PackageFiles): ReadRecommender {
  const model = files.get('model.onnx');
  const parsed = parseSignature(jsonOf(files.get('signature.json')));
  if (!model || 'complaint' in parsed) return unsupported('The package has no graph, or no signature.');
  const { signature } = parsed;
  if (signature.task !== 'recommendation') return unsupported('The model is no recommender.');
  try {
    const recommender = readModel(new GraphCursor(readGraph(model)), signature);
    const fresh = recommenderSignature(recommender);
    // How many rows a call takes may have been measured since.
    const again = { ...fresh, graph: { ...fresh.graph, rowsPerCall: signature.graph.rowsPerCall } };
    const isSame = Buffer.from(writeRecommender(recommender, again)).equals(model) && Buffer.from(signatureBytes(again)).equals(files.get('signature.json')!);
    return isSame ? { type: 'read', recommender } : unsupported('The model was written in another way than this version of Millrace does.');
  } catch (error) {
    if (error instanceof UnknownGraph || error instanceof UnfitModel) return unsupported(`The graph of the model is not understood: ${error.message}`);
    throw error;
  }
}

function readModel(cursor: GraphCursor, { family, inputs, output }: Signature): FittedRecommender {
  const [user, list] = [inputs[0], inputs.at(-1)];
  if (user?.type !== 'category' || list?.type !== 'list' || output.type !== 'items') throw new UnknownGraph('It asks for no user, or answers no items.');
  const [users, items] = [[...user.categories], [...list.choices]];
  cursor.skip('Gather', 'LabelEncoder', 'Less', 'Unsqueeze');
  const seen = output.excludesSeen ? readSeen(cursor) : { starts: new Int32Array(users.length + 1), items: new Int32Array() };
  const codes = inputs.slice(1, -1).map((input): FeatureCode => {
    if (input.type === 'number') return { name: input.name, type: 'number', min: input.min, max: input.max, mean: 0, scale: 1 };
    if (input.type === 'category' || input.type === 'binary') return { name: input.name, type: input.type, categories: [...input.categories] };
    throw new UnknownGraph(`An input of type ${input.type} is not read back.`);
  });
  if (family !== 'two_tower' && family !== 'matrix_factorisation') throw new UnknownGraph(`A recommender of the family ${family} has no vectors.`);
  const rule = family === 'two_tower' ? readTowers(cursor, codes) : readFactors(cursor);
  const popularity = Float32Array.from(cursor.numbers(cursor.take('Where').inputs[2]));
  return { family, user: user.name, item: output.name, users, items, topN: output.count, excludesSeen: output.excludesSeen, seen, popularity, rule };
}

function readSeen(cursor: GraphCursor): FittedRecommender['seen'] {
  const starts = cursor.numbers(cursor.take('Gather').inputs[0]);
  cursor.skip('Unsqueeze', 'Gather', 'Unsqueeze', 'ReduceMax', 'Max', 'Range', 'Less', 'Add', 'Where');
  const items = cursor.numbers(cursor.take('Gather').inputs[0]);
  return { starts: Int32Array.from(starts), items: Int32Array.from(items.subarray(0, items.length - 1)) };
}

function readFactors(cursor: GraphCursor): ScoreRule {
  const users = readLookUp(cursor);
  const { items, bias, kept } = readProducts(cursor);
  return { type: 'factors', rank: users.width, users: users.values, items, bias, ...storageOf(users.kept, kept, new Float32Array()) };
}

function readTowers(cursor: GraphCursor, codes: FeatureCode[]): ScoreRule {
  const features = readLookUp(cursor);
  let parts = 0;
  const read = codes.map((code): FeatureCode => {
    cursor.skip('Slice');
    if (code.type !== 'number' && code.categories.length === 0) return code;
    parts += 1;
    cursor.skip('Gather');
    if (code.type !== 'number') {
      cursor.skip('LabelEncoder', 'Less', 'Equal', 'Cast', 'Or', 'Where');
      return code;
    }
    const mean = cursor.number(cursor.take('Sub').inputs[1]);
    const scale = cursor.number(cursor.take('Div').inputs[1]);
    cursor.skip('Cast', 'IsNaN', 'Not', 'Or', 'Where');
    return { ...code, mean, scale };
  });
  if (parts > 1) cursor.skip('Concat');
  const floats = (name: string | undefined) => Float32Array.from(cursor.numbers(name));
  const hidden = floats(cursor.take('MatMul').inputs[1]);
  const hiddenBias = floats(cursor.take('Add').inputs[1]);
  cursor.skip('Relu');
  const identities = readLookUp(cursor);
  const output = floats(cursor.take('MatMul').inputs[1]);
  cursor.skip('Add', 'ReduceL2', 'Max', 'Div');
  const { items, bias, kept } = readProducts(cursor);
  return {
    type: 'towers', rank: identities.width, identities: identities.values, items, bias, codes: read, width: features.width, features: features.values,
    units: hiddenBias.length, hidden, hiddenBias, output, ...storageOf(identities.kept, kept, features.kept),
  };
}

function readProducts(cursor: GraphCursor): { items: Float32Array; bias: Float32Array; kept: KeptRows } {
  const { values, kept } = readTurned(cursor, cursor.take('MatMul').inputs[1]!);
  return { items: values, bias: Float32Array.from(cursor.numbers(cursor.take('Add').inputs[1])), kept };
}

function storageOf(users: KeptRows, items: KeptRows, features: KeptRows): { storage?: EmbeddingStorage } {
  if (users === 'float16') return { storage: 'float16' };
  return users instanceof Float32Array && items instanceof Float32Array && features instanceof Float32Array ? { storage: { users, items, features } } : {};
}

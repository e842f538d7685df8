import { keptRows, writeLookUp, writeTurned } from './embedding-tables.ts';
import { excludeInput, type FeatureCode, type FittedRecommender, type ScoreRule } from './fitted-recommender.ts';
import { createOnnxGraph, type OnnxGraph } from './onnx-graph.ts';
import type { Signature } from './signature.ts';

/** ONNX TensorProto.DataType, for `Cast` */
const FLOAT = 1;
const N = 'N';
/** The score of what must not be recommended: the lowest there is, so that it comes last. */
export const leftOut = -3.4028234663852886e38;
/** What is shorter than this has no direction. */
const shortestVector = 1e-6;

/**
 * A recommender as one ONNX graph. Inputs: `numbers` double [N, features] if users have such, `categories` string [N, 1 + features]
 * with the user first, `exclude` string [N, M]. Outputs: `items` string [N, k] and `scores` float [N, k], best first; places after the
 * last one that may be recommended have the score `leftOut`.
 */
export function writeRecommender(recommender: FittedRecommender, signature: Signature): Uint8Array {
  const { family, users, items, rule, popularity, excludesSeen, seen } = recommender;
  const graph = createOnnxGraph(family);
  const codes = rule.type === 'towers' ? rule.codes : [];
  const numbers = codes.filter(({ type }) => type === 'number');
  if (numbers.length > 0) graph.input({ name: 'numbers', type: 'double', shape: [N, numbers.length] });
  graph.input({ name: 'categories', type: 'string', shape: [N, 1 + codes.length - numbers.length] });
  graph.input({ name: 'exclude', type: 'string', shape: [N, 'M'] });

  // Who is not known has the place after the last.
  const names = graph.add('Gather', ['categories', graph.integers([0], [])], { axis: 1 });
  const place = graph.add('LabelEncoder', [names], encoderOf(users));
  const isKnown = graph.add('Unsqueeze', [graph.add('Less', [place, graph.integers([users.length], [])]), graph.integers([1], [1])]);
  const had = excludesSeen || rule.type === 'neighbours' ? seenOf(graph, seen, items.length, place) : null;
  const usual = graph.floats(popularity, [1, items.length]);
  const scores = scoresOf(graph, rule, { items: items.length, users: users.length, place, isKnown, had, usual });

  const excluded = graph.add('LabelEncoder', ['exclude'], encoderOf(items));
  const out = had && excludesSeen ? graph.add('Concat', [had, excluded], { axis: 1 }) : excluded;
  const lowest = graph.add('Expand', [graph.floats([leftOut], [1, 1]), graph.add('Shape', [out])]);
  // One more column takes in what stands for nothing.
  const spare = graph.add('Pad', [scores, graph.integers([0, 0, 0, 1], [4])]);
  const masked = graph.add('Slice', [graph.add('ScatterElements', [spare, out, lowest], { axis: 1 }), graph.integers([0], [1]), graph.integers([items.length], [1]), graph.integers([1], [1])]);
  const [best, order] = graph.addMany('TopK', [masked, graph.integers([countOf(recommender)], [1])], 2, { axis: 1, largest: 1, sorted: 1 }) as [string, string];
  const shape = [N, countOf(recommender)];
  graph.output(graph.add('Gather', [graph.texts(items, [items.length]), order], { axis: 0 }), { name: 'items', type: 'string', shape });
  graph.output(best, { name: 'scores', type: 'float', shape });
  return graph.write({
    numbers: JSON.stringify(numbers.map(({ name }) => name)),
    categories: JSON.stringify([recommender.user, ...codes.filter(({ type }) => type !== 'number').map(({ name }) => name)]),
    exclude: excludeInput,
    missing_category: signature.graph.missingCategory,
  });
}

const countOf = ({ topN, items }: FittedRecommender): number => Math.min(topN, items.length);

/** Names to places; whatever is not there, to the place after the last. */
function encoderOf(names: readonly string[]) {
  return { keys_strings: [...names], values_int64s: names.map((_, at) => at), default_int64: names.length };
}

/**
 * [N, L]: the places of the items that each user had, filled up with the place after the last item. The lists of all users lie
 * one after another; L is that of the longest of this call.
 */
function seenOf(graph: OnnxGraph, { starts, items }: FittedRecommender['seen'], itemCount: number, place: string): string {
  const lengths = Array.from(starts.subarray(1), (end, user) => end - starts[user]!);
  const column = (values: number[]) => graph.add('Unsqueeze', [graph.add('Gather', [graph.integers(values, [values.length]), place], { axis: 0 }), graph.integers([1], [1])]);
  const [start, length] = [column([...starts]), column([...lengths, 0])];
  const longest = graph.add('Max', [graph.add('ReduceMax', [length], { keepdims: 0 }), graph.integers([1], [])]);
  const steps = graph.add('Range', [graph.integers([0], []), longest, graph.integers([1], [])]);
  const at = graph.add('Where', [graph.add('Less', [steps, length]), graph.add('Add', [start, steps]), graph.integers([items.length], [])]);
  return graph.add('Gather', [graph.integers([...items, itemCount], [items.length + 1]), at], { axis: 0 });
}

interface Asked {
  items: number;
  users: number;
  /** [N] */
  place: string;
  /** [N, 1] */
  isKnown: string;
  /** [N, L] */
  had: string | null;
  /** [1, items] */
  usual: string;
}

/** [N, items] */
function scoresOf(graph: OnnxGraph, rule: ScoreRule, asked: Asked): string {
  const { items, users, place, isKnown, had, usual } = asked;
  switch (rule.type) {
    case 'popularity': {
      const rows = graph.add('Shape', [isKnown]);
      return graph.add('Expand', [usual, rows]);
    }
    case 'factors': {
      const vectors = writeLookUp(graph, rule.users, [users, rule.rank], keptRows(rule.storage, 'users'), place);
      return graph.add('Where', [isKnown, products(graph, vectors, rule, items), usual]);
    }
    case 'neighbours': {
      const flat = (table: string) => graph.add('Reshape', [graph.add('Gather', [table, had!], { axis: 0 }), graph.integers([0, -1], [2])]);
      const neighbours = flat(graph.integers([...rule.neighbours, ...new Array<number>(rule.count).fill(items)], [items + 1, rule.count]));
      const similarities = flat(withEmptyRow(graph, rule.similarities, items, rule.count));
      const shape = graph.add('Concat', [graph.add('Shape', [place]), graph.integers([items + 1], [1])], { axis: 0 });
      const zeros = graph.add('Expand', [graph.floats([0], [1, 1]), shape]);
      const sums = graph.add('ScatterElements', [zeros, neighbours, similarities], { axis: 1, reduction: 'add' });
      return graph.add('Where', [isKnown, graph.add('Slice', [sums, graph.integers([0], [1]), graph.integers([items], [1]), graph.integers([1], [1])]), usual]);
    }
    case 'towers': {
      const { vectors, isSomebody } = towerOf(graph, rule, asked);
      return graph.add('Where', [isSomebody, products(graph, vectors, rule, items), usual]);
    }
  }
}

function products(graph: OnnxGraph, vectors: string, { items, bias, rank, storage }: Extract<ScoreRule, { type: 'factors' | 'towers' }>, count: number): string {
  const table = writeTurned(graph, items, [count, rank], keptRows(storage, 'items'));
  return graph.add('Add', [graph.add('MatMul', [vectors, table]), graph.floats(bias, [1, count])]);
}

function withEmptyRow(graph: OnnxGraph, values: Float32Array, rows: number, width: number): string {
  const longer = new Float32Array(values.length + width);
  longer.set(values);
  return graph.floats(longer, [rows + 1, width]);
}

/** The vector of each user, of length 1, and whether anything is known of them: a name, or a feature that was sent. */
function towerOf(graph: OnnxGraph, rule: Extract<ScoreRule, { type: 'towers' }>, { users, place, isKnown }: Asked): { vectors: string; isSomebody: string } {
  const learned = writeLookUp(graph, rule.features, [users, rule.width], keptRows(rule.storage, 'features'), place);
  const parts: string[] = [];
  let isSomebody = isKnown;
  const next = { number: 0, category: 1, input: 0 };
  for (const code of rule.codes) {
    const width = code.type === 'number' ? 1 : code.categories.length;
    const own = graph.add('Slice', [learned, graph.integers([next.input], [1]), graph.integers([next.input + width], [1]), graph.integers([1], [1])]);
    next.input += width;
    if (width === 0) {
      next.category += 1;
      continue;
    }
    const { inputs, isSent } = code.type === 'number' ? sentNumber(graph, code, next.number++) : sentCategory(graph, code, next.category++);
    isSomebody = graph.add('Or', [isSomebody, isSent]);
    parts.push(graph.add('Where', [isSent, inputs, own]));
  }
  const features = parts.length === 1 ? parts[0]! : graph.add('Concat', parts, { axis: 1 });
  const hidden = graph.add('Relu', [graph.add('Add', [graph.add('MatMul', [features, graph.floats(rule.hidden, [rule.width, rule.units])]), graph.floats(rule.hiddenBias, [1, rule.units])])]);
  const identities = writeLookUp(graph, rule.identities, [users, rule.rank], keptRows(rule.storage, 'users'), place);
  const sum = graph.add('Add', [identities, graph.add('MatMul', [hidden, graph.floats(rule.output, [rule.units, rule.rank])])]);
  const length = graph.add('Max', [graph.add('ReduceL2', [sum], { axes: [1], keepdims: 1 }), graph.floats([shortestVector], [1, 1])]);
  return { vectors: graph.add('Div', [sum, length]), isSomebody };
}

/** [N, 1] standardised, and whether there is a number */
function sentNumber(graph: OnnxGraph, { mean, scale }: Extract<FeatureCode, { type: 'number' }>, column: number): { inputs: string; isSent: string } {
  const value = graph.add('Gather', ['numbers', graph.integers([column], [1])], { axis: 1 });
  const standardised = graph.add('Div', [graph.add('Sub', [value, graph.doubles([mean], [1, 1])]), graph.doubles([scale], [1, 1])]);
  return { inputs: graph.add('Cast', [standardised], { to: FLOAT }), isSent: graph.add('Not', [graph.add('IsNaN', [value])]) };
}

/** [N, categories] of 0 and 1, and whether there is one of them */
function sentCategory(graph: OnnxGraph, { categories }: Extract<FeatureCode, { categories: string[] }>, column: number): { inputs: string; isSent: string } {
  const value = graph.add('Gather', ['categories', graph.integers([column], [1])], { axis: 1 });
  const code = graph.add('LabelEncoder', [value], encoderOf(categories));
  const isSent = graph.add('Less', [code, graph.integers([categories.length], [])]);
  const places = graph.integers(categories.map((_, at) => at), [1, categories.length]);
  return { inputs: graph.add('Cast', [graph.add('Equal', [code, places])], { to: FLOAT }), isSent };
}

export function recommenderSignature({ family, user, item, users, items, topN, excludesSeen, rule }: FittedRecommender): Signature {
  const codes = rule.type === 'towers' ? rule.codes : [];
  const taken = new Set([...users, ...codes.flatMap((code) => (code.type === 'number' ? [] : code.categories)), ...items]);
  let missingCategory = '';
  while (taken.has(missingCategory)) missingCategory += '?';
  return {
    formatVersion: 1,
    task: 'recommendation',
    family,
    inputs: [
      { name: user, type: 'category', required: false, categories: [...users] },
      ...codes.map((code) =>
        code.type === 'number'
          ? { name: code.name, type: 'number' as const, required: false, min: code.min, max: code.max }
          : { name: code.name, type: code.type, required: false, categories: [...code.categories] },
      ),
      { name: excludeInput, type: 'list', required: false, choices: [...items] },
    ],
    output: { name: item, type: 'items', count: Math.min(topN, items.length), excludesSeen },
    graph: { missingCategory, rowsPerCall: rowsPerCall(items.length, rule) },
  };
}

/** of a call: its widest tensors, of four or eight bytes a number */
const maxCallNumbers = 1_000_000;

function rowsPerCall(items: number, rule: ScoreRule): number {
  const widest = rule.type === 'neighbours' ? items + 100 * rule.count : items;
  return Math.min(1024, Math.max(1, Math.floor(maxCallNumbers / widest)));
}

import type { FittedFeature } from './fitted-columns.ts';
import { type DecisionTree, otherCode, type TreeEnsemble } from './fitted-trees.ts';
import type { OnnxGraph } from './onnx-graph.ts';

type Trees = Pick<TreeEnsemble<'boosted_trees'>, 'outputs' | 'trees' | 'codes'>;

/** ONNX TensorProto.DataType, for `Cast` */
const DOUBLE = 11;

/**
 * The sums of all trees for the raw columns: float [N, outputs].
 *
 * One `TreeEnsembleRegressor` whose inputs and thresholds are doubles, so that it divides rows just as training did, and
 * whose sums are doubles rounded to float at the end. All questions are `<=`, for which the runtime has a fast path.
 */
export function writeTreeScores(graph: OnnxGraph, features: readonly FittedFeature[], { outputs, trees, codes }: Trees): string {
  const { rows, columns } = writeTreeRows(graph, features, codes);
  return writeTreeSums(graph, rows, columns, { outputs, trees, codes });
}

/** As `writeTreeScores`, for rows as trees read them, double [N, any]; `columns` tells where each feature stands. */
export function writeTreeSums(graph: OnnxGraph, rows: string, columns: Int32Array, { outputs, trees, codes }: Trees): string {
  const nodes = new NodeAttributes();
  trees.forEach((tree, number) => nodes.addTree(tree, number, outputs, columns, codes));
  return graph.add('TreeEnsembleRegressor', [rows], nodes.attributes(outputs));
}

/** Raw columns as trees read them: double [N, columns], numbers first; and the column of each feature. */
function writeTreeRows(graph: OnnxGraph, features: readonly FittedFeature[], codes: Trees['codes']): { rows: string; columns: Int32Array } {
  const numbers = features.filter((feature) => feature.type === 'number').length;
  const others = features.length - numbers;
  const columns = new Int32Array(features.length).fill(-1);
  const blocks: string[] = [];
  let width = 0;
  if (numbers > 0) {
    graph.input({ name: 'numbers', type: 'double', shape: ['N', numbers] });
    blocks.push('numbers');
    features.forEach((feature, place) => {
      if (feature.type === 'number') columns[place] = width++;
    });
  }
  if (others > 0) graph.input({ name: 'categories', type: 'string', shape: ['N', others] });
  let place = -1;
  features.forEach((feature, index) => {
    if (feature.type === 'number') return;
    place += 1;
    if (feature.categories.length === 0) return;
    const own = codes[index]!;
    const column = graph.add('Gather', ['categories', graph.integers([place], [1])], { axis: 1 });
    const code = graph.add('LabelEncoder', [column], {
      keys_strings: feature.categories, values_int64s: [...own], default_int64: otherCode(own),
    });
    blocks.push(graph.add('Cast', [code], { to: DOUBLE }));
    columns[index] = width++;
  });
  return { rows: blocks.length === 1 ? blocks[0]! : graph.add('Concat', blocks, { axis: 1 }), columns };
}

/** The nodes of all trees as the operator's attributes want them. */
class NodeAttributes {
  readonly #trees: number[] = [];
  readonly #ids: number[] = [];
  readonly #features: number[] = [];
  readonly #modes: string[] = [];
  readonly #values: number[] = [];
  readonly #trues: number[] = [];
  readonly #falses: number[] = [];
  readonly #missing: number[] = [];
  readonly #leafTrees: number[] = [];
  readonly #leafIds: number[] = [];
  readonly #leafTargets: number[] = [];
  readonly #leafWeights: number[] = [];

  addTree(tree: DecisionTree, number: number, outputs: number, columns: Int32Array, codes: Trees['codes']): void {
    const nodes = tree.feature.length;
    const perLeaf = (tree.values.length * 2) / (nodes + 1);
    let next = nodes;
    for (let node = 0; node < nodes; node++) {
      const asked = tree.feature[node]!;
      const [left, right] = [tree.left[node]!, tree.right[node]!];
      if (asked < 0) {
        this.#add(number, node, 0, 'LEAF', 0, 0, 0, 0);
        for (let at = 0; at < perLeaf; at++) {
          this.#leafTrees.push(number);
          this.#leafIds.push(node);
          this.#leafTargets.push(perLeaf === outputs ? at : number % outputs);
          this.#leafWeights.push(tree.values[left * perLeaf + at]!);
        }
      } else if (codes[asked] === null) {
        this.#add(number, node, columns[asked]!, 'BRANCH_LEQ', tree.threshold[node]!, left, right, tree.missingLeft[node]!);
      } else {
        next = this.#addSet(number, node, next, columns[asked]!, runsOf(tree.sets, tree.threshold[node]!, otherCode(codes[asked]!)), left, right);
      }
    }
  }

  /**
   * A set of codes as a chain of questions, one for each run of codes that go the same way. Several may lead to one child:
   * the runtime allows that for the answer yes, so the answer no always leads on along the chain, but for the last.
   */
  #addSet(tree: number, node: number, next: number, column: number, runs: { last: number; isLeft: boolean }[], left: number, right: number): number {
    let id = node;
    runs.slice(0, -1).forEach(({ last, isLeft }, at) => {
      const isEnd = at === runs.length - 2;
      const no = isEnd ? (isLeft ? right : left) : next++;
      this.#add(tree, id, column, 'BRANCH_LEQ', last, isLeft ? left : right, no, 0);
      id = no;
    });
    return next;
  }

  #add(tree: number, id: number, feature: number, mode: string, value: number, yes: number, no: number, missing: number): void {
    this.#trees.push(tree);
    this.#ids.push(id);
    this.#features.push(feature);
    this.#modes.push(mode);
    this.#values.push(value);
    this.#trues.push(yes);
    this.#falses.push(no);
    this.#missing.push(missing);
  }

  attributes(outputs: number) {
    return {
      n_targets: outputs,
      aggregate_function: 'SUM',
      post_transform: 'NONE',
      nodes_treeids: this.#trees,
      nodes_nodeids: this.#ids,
      nodes_featureids: this.#features,
      nodes_modes: this.#modes,
      nodes_values_as_tensor: Float64Array.from(this.#values),
      nodes_truenodeids: this.#trues,
      nodes_falsenodeids: this.#falses,
      nodes_missing_value_tracks_true: this.#missing,
      target_treeids: this.#leafTrees,
      target_nodeids: this.#leafIds,
      target_ids: this.#leafTargets,
      target_weights_as_tensor: Float64Array.from(this.#leafWeights),
    };
  }
}

/** Codes 0 … last, divided where the side changes. */
function runsOf(sets: Int32Array, set: number, last: number): { last: number; isLeft: boolean }[] {
  const runs: { last: number; isLeft: boolean }[] = [];
  for (let code = 0; code <= last; code++) {
    const isLeft = ((sets[set * 8 + (code >> 5)]! >>> (code & 31)) & 1) === 1;
    const current = runs.at(-1);
    if (current?.isLeft === isLeft) current.last = code;
    else runs.push({ last: code, isLeft });
  }
  return runs;
}

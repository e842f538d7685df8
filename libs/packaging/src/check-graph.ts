import { checkDivision } from './check-division.ts';
import { checkTexts } from './check-texts.ts';
import { checkTrees, treeOperators } from './check-trees.ts';
import { graphLimits, type ReadGraph, type ReadNode, UnfitModel } from './read-graph.ts';

/** Oldest and newest operator sets that are taken, by domain. */
const operatorSetsTaken = new Map([['', [9, 21]], ['ai.onnx.ml', [1, 3]]] as const satisfies [string, [number, number]][]);

const words = (text: string): string[] => text.trim().split(/\s+/);

/**
 * The operators that are taken: what models of tables and of pictures compute with. None has a graph inside, draws random numbers, keeps
 * lists or dictionaries, reads files or parses text, and the size of none's answer depends on more than shapes (see `shapeInputs`).
 */
const operatorsTaken = new Map<string, ReadonlySet<string>>([
  [
    '',
    new Set(words(`
      Abs Acos Acosh Add And ArgMax ArgMin Asin Asinh Atan Atanh AveragePool BatchNormalization BitShift Cast Ceil Celu Clip Concat Constant
      ConstantOfShape Conv ConvInteger Cos Cosh CumSum DepthToSpace DequantizeLinear Det Div Dropout DynamicQuantizeLinear Einsum Elu Equal Erf Exp
      Expand Flatten Floor GRU Gather GatherElements GatherND Gelu Gemm GlobalAveragePool GlobalMaxPool Greater GreaterOrEqual GroupNormalization HardSigmoid
      HardSwish Hardmax Identity InstanceNormalization IsInf IsNaN LRN LSTM LayerNormalization LeakyRelu Less LessOrEqual Log LogSoftmax
      LpNormalization LpPool MatMul MatMulInteger Max MaxPool Mean MeanVarianceNormalization Min Mish Mod Mul Neg Not OneHot Or PRelu Pad Pow
      QLinearConv QLinearMatMul QuantizeLinear RNN Range Reciprocal ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp ReduceMax ReduceMean ReduceMin
      ReduceProd ReduceSum ReduceSumSquare Relu Reshape Resize Round ScatterElements ScatterND Selu Shape Shrink Sigmoid Sign Sin Sinh Size Slice Softmax
      Softplus Softsign SpaceToDepth Split Sqrt Squeeze Sub Sum Tan Tanh ThresholdedRelu Tile TopK Transpose Trilu Unsqueeze Where Xor`)),
  ],
  [
    'ai.onnx.ml',
    new Set(words(`
      ArrayFeatureExtractor Binarizer FeatureVectorizer Imputer LabelEncoder LinearClassifier LinearRegressor Normalizer OneHotEncoder Scaler
      TreeEnsembleClassifier TreeEnsembleRegressor ZipMap`)),
  ],
]);

/** Inputs that say how large the answer becomes: they may follow from shapes and constants, never from what is sent. */
const shapeInputs: Record<string, number[]> = {
  Reshape: [1], Expand: [1], Tile: [1], ConstantOfShape: [0], Range: [0, 1, 2], Pad: [1, 3], Resize: [1, 2, 3], OneHot: [1], TopK: [1], Slice: [1, 2, 3, 4], Split: [1],
  Unsqueeze: [1], Squeeze: [1], CumSum: [1], Trilu: [1], ReduceSum: [1], ReduceMean: [1], ReduceMax: [1], ReduceMin: [1], ReduceProd: [1], ReduceL1: [1], ReduceL2: [1],
  ReduceLogSum: [1], ReduceLogSumExp: [1], ReduceSumSquare: [1], Dropout: [1, 2], ScatterND: [], ScatterElements: [],
};

/** What may stand between a shape and a size. Arithmetic may not: a size could be harmless for every number of rows that is tried, and boundless for another. */
const shapeSteps: ReadonlySet<string> = new Set(['Gather', 'Slice', 'Concat', 'Cast', 'Squeeze', 'Unsqueeze', 'Identity', 'Reshape']);

/**
 * Whatever their sizes are computed to, the answer has no more elements than what it is made of: PyTorch joins rows and heads by
 * `Reshape`, and halves channels by `Slice`.
 */
const neverLarger: ReadonlySet<string> = new Set(['Reshape', 'Slice']);

/** The body of the one loop that Millrace itself writes: sums of squared distances. */
const scanBody: ReadonlySet<string> = new Set(['Sub', 'Mul', 'Add', 'Identity']);

const simpler = 'Export the model with a pipeline of usual steps: scaling, encoding, and one model.';

/**
 * Looks through a graph for what could make it do anything but compute: unknown operators, loops, data elsewhere, sizes that
 * the caller decides, trees that are none. What remains can be slow or large, which trying it shows.
 * @param options.own whether it may hold what Millrace writes: the loop for nearest neighbours, and deeper trees
 * @returns how many nodes of trees a row visits at the most
 * @throws UnfitModel
 */
export function checkGraph(graph: ReadGraph, options: { own: boolean }): { treeVisits: number } {
  for (const [domain, version] of graph.operatorSets) {
    const taken = (operatorSetsTaken as ReadonlyMap<string, readonly [number, number]>).get(domain);
    if (taken === undefined) {
      if (graph.nodes.some((node) => node.domain === domain)) throw unknownDomain(domain);
      continue; // announced and not used: exporters do that
    }
    const name = domain || 'ai.onnx';
    if (version < taken[0] || version > taken[1]) {
      throw new UnfitModel('operator_set', name, `The model is written in version ${version} of ${name}; versions ${taken[0]} to ${taken[1]} are taken.`, `Export it again with the operator set ${taken[1]} of ${name}.`);
    }
  }
  if (!graph.operatorSets.has('')) graph.operatorSets.set('', 17);
  if (graph.inputs.length === 0 || graph.inputs.length > graphLimits.inputs) throw new UnfitModel('inputs', 'inputs', `The model has ${graph.inputs.length} inputs.`, `Use 1 to ${graphLimits.inputs}.`);
  if (graph.outputs.length === 0) throw new UnfitModel('outputs', 'outputs', 'The model has no outputs.', simpler);

  const known = new Set(['', ...graph.initializers.map(({ name }) => name), ...graph.inputs.map(({ name }) => name)]);
  /** values that follow from what is sent */
  const sent = new Set(graph.inputs.map(({ name }) => name));
  let treeVisits = 0;
  for (const node of graph.nodes) {
    checkNode(node, known, sent, options.own, graph.operatorSets);
    if (node.domain === 'ai.onnx.ml' && treeOperators.has(node.operator)) treeVisits += checkTrees(node, options.own);
  }
  if (!options.own) {
    checkSizes(graph.nodes);
    checkTexts(graph);
  }
  checkDivision(graph);
  for (const { name } of graph.outputs) if (!known.has(name)) throw broken('outputs', `The output ${short(name)} is made by nothing.`);
  return { treeVisits };
}

function checkSizes(nodes: readonly ReadNode[]): void {
  const shapes = new Set<string>();
  /** computed from shapes by more than taking apart and putting together */
  const computed = new Set<string>();
  for (const { operator, domain, inputs, outputs } of nodes) {
    for (const index of (domain === '' && shapeInputs[operator]) || []) {
      if (!neverLarger.has(operator) && computed.has(inputs[index] ?? '')) {
        throw new UnfitModel('size_computed', short(operator), `The size of what ${short(operator)} answers is computed from the number of rows.`, 'Use sizes that are fixed, or taken from a shape as they are.');
      }
    }
    const isShape = domain === '' && (operator === 'Shape' || operator === 'Size');
    const isStep = domain === '' && shapeSteps.has(operator);
    const follows = inputs.some((name) => shapes.has(name));
    const follower = isShape || (isStep && follows) ? shapes : inputs.some((name) => computed.has(name)) || follows ? computed : null;
    if (follower) for (const output of outputs) follower.add(output);
    if (isStep && inputs.some((name) => computed.has(name))) for (const output of outputs) computed.add(output);
  }
}

function checkNode(node: ReadNode, known: Set<string>, sent: Set<string>, own: boolean, operatorSets: ReadonlyMap<string, number>): void {
  const { operator, domain, inputs, outputs, attributes } = node;
  const name = `${domain ? `${domain}.` : ''}${operator}`;
  if (!operatorSets.has(domain)) throw unknownDomain(domain);
  const isOwnLoop = own && domain === '' && operator === 'Scan';
  if (!operatorsTaken.get(domain)?.has(operator) && !isOwnLoop) {
    throw new UnfitModel('operator', short(name), `The operator ${short(name)} is not taken.`, simpler);
  }
  for (const { subgraph } of attributes.values()) {
    if (!subgraph) continue;
    const isOwnBody = isOwnLoop && subgraph.nodes.every((inner) => inner.domain === '' && scanBody.has(inner.operator) && inner.attributes.size === 0);
    if (!isOwnBody || subgraph.initializers.length > 0) throw new UnfitModel('subgraph', short(name), `The operator ${short(name)} holds a graph of its own.`, simpler);
  }
  for (const input of inputs) if (!known.has(input)) throw broken(short(name), `It uses ${short(input)} before anything has made it.`);
  const isShape = domain === '' && (operator === 'Shape' || operator === 'Size');
  for (const index of (domain === '' && shapeInputs[operator]) || []) {
    if (sent.has(inputs[index] ?? '')) {
      throw new UnfitModel('size_from_values', short(name), `What is sent would decide how large the answer of ${operator} becomes.`, 'Use sizes that are fixed or follow from the number of rows.');
    }
  }
  const isSent = !isShape && inputs.some((input) => sent.has(input));
  for (const output of outputs) {
    if (output === '') continue;
    if (known.has(output)) throw broken(short(name), `Two parts make ${short(output)}.`);
    if (output.length > graphLimits.nameLength) throw broken(short(name), 'A name is too long.');
    known.add(output);
    if (isSent) sent.add(output);
  }
}

const short = (text: string): string => text.slice(0, 100);
const broken = (field: string, message: string): UnfitModel => new UnfitModel('broken_graph', field, `The graph does not hang together: ${message}`, 'Export the model again with the exporter of its library.');
const unknownDomain = (domain: string): UnfitModel =>
  new UnfitModel('operator_domain', short(domain) || 'ai.onnx', `The model uses operators of ${short(domain) || 'ai.onnx'}, which are not taken.`, 'Use the operators of ai.onnx and ai.onnx.ml only.');

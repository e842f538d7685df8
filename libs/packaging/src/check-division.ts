import { type ReadGraph, type ReadNode, type ReadTensor, UnfitModel, wholeNumbersOf } from './read-graph.ts';

/** TensorProto.DataType of whole numbers that the processor itself divides; narrower ones are widened first, so that nothing overflows. */
const wholeTypes: ReadonlySet<number> = new Set([6, 7]);

const madeWhole: ReadonlySet<string> = new Set(['ArgMax', 'ArgMin', 'Shape', 'Size', 'ConvInteger', 'MatMulInteger']);
const neverWhole: ReadonlySet<string> = new Set([
  'Equal', 'Greater', 'GreaterOrEqual', 'Less', 'LessOrEqual', 'And', 'Or', 'Xor', 'Not', 'IsNaN', 'IsInf', 'DequantizeLinear', 'QuantizeLinear', 'DynamicQuantizeLinear',
  'Scaler', 'Normalizer', 'OneHotEncoder', 'LinearRegressor', 'TreeEnsembleRegressor', 'FeatureVectorizer',
]);
/** Which input an answer has its type from, where it is not the first. */
const typeFrom: Record<string, number> = { Where: 1, OneHot: 2 };

/**
 * That whole numbers are divided by numbers that the file itself says, none of them 0 or -1: the smallest whole number divided by -1 is too large
 * for a processor, which then ends the process, and all that it serves. A trial meets neither of the two.
 * @throws UnfitModel
 */
export function checkDivision(graph: ReadGraph): void {
  const whole = new Set([...graph.initializers, ...graph.inputs].filter(({ type }) => wholeTypes.has(type ?? 0)).map(({ name }) => name));
  const constants = new Map(graph.initializers.map((tensor) => [tensor.name, tensor]));
  for (const node of graph.nodes) {
    const { operator, domain, inputs, outputs, attributes } = node;
    if (domain === '' && (operator === 'Div' || operator === 'Mod') && inputs.some((name) => whole.has(name)) && !isHarmless(constants.get(inputs[1] ?? ''))) {
      throw new UnfitModel('whole_division', operator, `${operator} divides whole numbers by others than the file says, or by 0 or -1.`, 'Divide by a constant, or cast to float before.');
    }
    const constant = operator === 'Constant' ? attributes.get('value')?.tensor : null;
    if (constant) constants.set(outputs[0] ?? '', constant);
    for (const [at, output] of outputs.entries()) if (output !== '' && isWhole(node, at, whole)) whole.add(output);
  }
}

function isWhole({ operator, inputs, attributes }: ReadNode, at: number, whole: ReadonlySet<string>): boolean {
  if (neverWhole.has(operator)) return false;
  if (madeWhole.has(operator)) return true;
  if ((operator === 'TopK' || operator === 'MaxPool') && at === 1) return true;
  if (operator === 'Cast') return wholeTypes.has(Number(attributes.get('to')?.integer ?? 0n));
  if (operator === 'Constant' || operator === 'ConstantOfShape') return attributes.has('value_int') || attributes.has('value_ints') || wholeTypes.has(attributes.get('value')?.tensor?.type ?? 0);
  if (operator === 'LabelEncoder') return attributes.has('values_int64s') || attributes.has('classes_strings');
  if (operator === 'LinearClassifier' || operator === 'TreeEnsembleClassifier') return at === 0;
  return whole.has(inputs[typeFrom[operator] ?? 0] ?? '');
}

function isHarmless(divisor: ReadTensor | undefined): boolean {
  return divisor !== undefined && wholeTypes.has(divisor.type) && wholeNumbersOf(divisor).every((one) => one !== 0 && one !== -1);
}

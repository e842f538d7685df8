import { graphLimits, type ReadGraph, type ReadNode, type ReadTensor, UnfitModel } from './read-graph.ts';

/** Bytes of a text that a file may hold: unlike a number, it may be as long as its author likes. */
const longestText = 500;
/** Texts in one value, of each row: twice as many as a model may have columns. */
const mostCells = 2_000;

/** TensorProto.DataType */
const STRING = 8;

/** What is known of a value, of texts or of numbers. */
interface Cells {
  isText: boolean;
  /** elements of each row, at the most; of a constant, all of them; Infinity where nobody knows */
  count: number;
  /** rows and columns */
  isTable: boolean;
  isConstant: boolean;
  /** texts that numbers were turned into: they may become the label, and nothing else */
  isLabel: boolean;
}

const sameSize: ReadonlySet<string> = new Set(['Identity', 'Reshape', 'Flatten', 'Squeeze', 'Unsqueeze', 'Transpose']);

/**
 * That no row takes more memory than another by what it holds: which texts a graph copies, and so how many bytes, may follow from
 * what is sent, which trying a few rows does not show. Texts are short, and a row has no more of them than columns. Texts that numbers
 * are turned into, of which a row could have any number, may only become the label, of which there is one a row.
 * @throws UnfitModel
 */
export function checkTexts(graph: ReadGraph): void {
  for (const { name, longestText: length } of graph.initializers) ensureShort(name, length);
  const values = new Map<string, Cells>();
  for (const tensor of graph.initializers) values.set(tensor.name, constantOf(tensor));
  for (const { name, type, shape } of graph.inputs) {
    const isTable = shape?.length !== 1;
    const width = isTable ? shape?.[1] : 1;
    values.set(name, { isText: type === STRING, count: typeof width === 'number' ? width : graphLimits.inputs, isTable, isConstant: false, isLabel: false });
  }
  const used = new Set(graph.outputs.filter(({ type }) => type === STRING).map(({ name }) => name));
  for (const node of graph.nodes) {
    for (const [attribute, { texts, text, tensor }] of node.attributes) {
      ensureShort(`${node.operator}.${attribute}`, Math.max(tensor?.longestText ?? 0, longestOf(texts), longestOf([text ?? ''])));
    }
    const inputs = node.inputs.map((name) => values.get(name));
    if (inputs.some((input) => input?.isLabel) && !sameSize.has(node.operator)) throw misused(node);
    for (const name of node.inputs) used.add(name);
    const made = cellsAfter(node, inputs);
    if (made?.isText && !made.isLabel && !made.isConstant && Number.isFinite(made.count) && made.count > mostCells) {
      throw new UnfitModel('texts_repeated', node.operator, `${node.operator} makes more than ${mostCells} texts of each row.`, 'Encode columns of text one by one.');
    }
    if (made) for (const output of node.outputs.slice(0, node.operator === 'Split' ? undefined : 1)) values.set(output, made);
  }
  for (const [name, { isLabel }] of values) if (isLabel && !used.has(name)) throw misused({ operator: name.slice(0, 100) });
}

/** What is known of a node's first answer, of `Split` of each; undefined for numbers that may be any. @throws UnfitModel for texts that it must not get */
function cellsAfter(node: ReadNode, inputs: (Cells | undefined)[]): Cells | undefined {
  const { operator, domain, attributes } = node;
  const [first, second] = inputs;
  const of = (change: Partial<Cells>): Cells => ({ isText: first?.isText ?? false, count: first?.count ?? Infinity, isTable: first?.isTable ?? false, isConstant: first?.isConstant ?? false, isLabel: first?.isLabel ?? false, ...change });
  const takesText = inputs.some((input) => input?.isText);
  const axis = Number(attributes.get('axis')?.integer ?? 0n);
  if (domain === 'ai.onnx.ml') {
    if (operator === 'LabelEncoder') {
      const isText = attributes.has('values_strings');
      return of({ isText, isLabel: isText && !Number.isFinite(first?.count ?? Infinity) });
    }
    if (attributes.get('classlabels_strings')?.texts.length && operator !== 'ZipMap' && !takesText) return of({ isText: true, count: 1, isTable: false, isConstant: false, isLabel: false });
    if (operator === 'ArrayFeatureExtractor') return picked(node, first, second, true);
    if (operator === 'OneHotEncoder') return undefined;
  } else if (operator === 'Constant') {
    const value = attributes.get('value')?.tensor;
    return value ? constantOf(value) : of({ isText: attributes.has('value_string') || attributes.has('value_strings'), count: attributes.get('value_strings')?.texts.length ?? 1, isConstant: true });
  } else if (operator === 'Cast') {
    return of({ isText: attributes.get('to')?.integer === BigInt(STRING) });
  } else if (sameSize.has(operator)) {
    return first && of({ isTable: first.isTable && operator === 'Identity' });
  } else if (operator === 'Gather') {
    return picked(node, first, second, axis === 1 || axis === -1);
  } else if (operator === 'Slice' || operator === 'Split') {
    const isEven = operator === 'Split' && first?.isTable && (axis === 1 || axis === -1) && !attributes.has('split') && !node.inputs[1];
    return first && of({ count: isEven ? Math.ceil(first.count / node.outputs.length) : first.count });
  } else if (operator === 'Concat') {
    if (inputs.every((input) => input !== undefined)) {
      const count = inputs.reduce((sum, input) => sum + input.count, 0);
      return of({ count, isTable: inputs.every(({ isTable }) => isTable) && (axis === 1 || axis === -1), isConstant: inputs.every(({ isConstant }) => isConstant) });
    }
  } else if (operator === 'Where' || operator === 'Equal') {
    // Each beside each: columns beside columns, and a constant may stand beside any of them.
    const [tables, constants] = [inputs.filter((input) => input?.isTable), inputs.filter((input) => input?.isConstant)];
    if (tables.length + constants.length === inputs.length) {
      const count = constants.reduce((product, input) => product * input!.count, Math.max(1, ...tables.map((input) => input!.count)));
      return of({ isText: operator === 'Where' && takesText, count, isTable: tables.length > 0, isConstant: tables.length === 0, isLabel: false });
    }
    if (operator === 'Equal') return undefined;
  } else if (operator === 'Shape' || operator === 'Size') return undefined;
  if (takesText) throw misused(node);
  return undefined;
}

/** Columns of a table, by a list that is fixed; or texts of a list that is fixed, by numbers that may be any. */
function picked(node: ReadNode, from: Cells | undefined, by: Cells | undefined, isByColumn: boolean): Cells | undefined {
  if (!from) return undefined;
  const isFixed = by?.isConstant ?? false;
  if (from.isConstant) return { ...from, count: isFixed ? from.count * by!.count : Infinity, isTable: false, isConstant: isFixed, isLabel: from.isText && !isFixed };
  if (isFixed && isByColumn && Number.isFinite(from.count)) return { ...from, count: by!.count * (from.isTable ? 1 : from.count) };
  if (from.isText) throw misused(node);
  return undefined;
}

const constantOf = ({ type, dims }: ReadTensor): Cells => ({ isText: type === STRING, count: dims.reduce((product, dim) => product * dim, 1), isTable: false, isConstant: true, isLabel: false });

const longestOf = (texts: readonly string[]): number => texts.reduce((most, text) => Math.max(most, Buffer.byteLength(text)), 0);

function ensureShort(field: string, length: number): void {
  if (length <= longestText) return;
  throw new UnfitModel('text_too_long', field.slice(0, 100) || 'text', `The model holds a text of ${length} bytes; at most ${longestText} are taken.`, 'Use shorter texts for categories and classes.');
}

const misused = ({ operator }: Pick<ReadNode, 'operator'>): UnfitModel =>
  new UnfitModel('text_operator', operator, `Texts go into ${operator} that may only be encoded, or be the label: how many bytes they take would follow from what is sent.`, 'Encode text to numbers first, and look up the label last.');

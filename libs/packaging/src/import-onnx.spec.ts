import { createHash } from 'node:crypto';
import { chains, float32, type Graph, graph, int64, linear, message, model, type Node, tensor, trees, value } from '../test/foreign-model.ts';
import { checkRows } from './check-rows.ts';
import { rowsWithVisits } from './check-trees.ts';
import { importOnnx } from './import-onnx.ts';
import { loadModel } from './loaded-model.ts';
import { verifyPackage, withRowsPerCall } from './model-package.ts';
import { createModelThreads } from './model-threads.ts';
import { tryPackage } from './try-package.ts';
import { fieldsOf, lengthDelimited, varintField } from './wire-format.ts';

/** The rows of x times its columns, as the size of a column: [n · 2, 1]. */
const joined: Node[] = [
  { op: 'Shape', in: ['x'], out: ['shape'] }, { op: 'Slice', in: ['shape', 'zero', 'one'], out: ['n'] }, { op: 'Slice', in: ['shape', 'one', 'far'], out: ['c'] },
  { op: 'Mul', in: ['n', 'c'], out: ['all'] }, { op: 'Concat', in: ['all', 'one'], out: ['size'], attributes: { axis: { i: 0 } } },
];
const joining = [tensor('zero', 7, [1], int64(0)), tensor('one', 7, [1], int64(1)), tensor('far', 7, [1], int64(2))];

const importing = (bytes: Uint8Array, signature?: unknown) =>
  importOnnx({ bytes, filename: 'model.onnx', sha256: createHash('sha256').update(bytes).digest('hex'), signature, tools: { millrace: 'test' } });

function fitting(bytes: Uint8Array, signature?: unknown) {
  const imported = importing(bytes, signature);
  if (imported.type !== 'fit') throw new Error(JSON.stringify(imported.problems));
  return imported.modelPackage;
}

const codes = (bytes: Uint8Array, signature?: unknown): string[] => {
  const imported = importing(bytes, signature);
  if (imported.type !== 'refused') return [];
  for (const { field, message: text, remedy } of imported.problems) expect([field, text, remedy].every(Boolean)).toBe(true);
  return imported.problems.map(({ code }) => code);
};

async function predictions(bytes: Uint8Array, rows: object[], signature?: unknown) {
  const built = fitting(bytes, signature);
  expect(await tryPackage(built.files, undefined)).toMatchObject({ type: 'works' });
  const loaded = await loadModel(built.files);
  const checked = checkRows(loaded.signature, rows);
  if (checked.type === 'invalid') throw new Error(JSON.stringify(checked.problems));
  try {
    return await loaded.predict(checked.rows);
  } finally {
    await loaded.close();
  }
}

describe('a model made elsewhere', () => {
  it('of PyTorch answers with a number', async () => {
    expect(await predictions(model(linear(), { producer: 'pytorch', opsets: [['', 17]] }), [{ f0: 1, f1: 3 }, { f0: 0, f1: 0 }])).toEqual([{ value: -0.5 }, { value: 0.5 }]);
  });

  it('for one row at a time answers several one after another', async () => {
    const plain = linear();
    const reshaped = plain.nodes.map((node) => ({ ...node, in: node.in.map((name) => (name === 'x' ? 'one' : name)) }));
    const bytes = model({
      ...plain, inputs: [{ name: 'x', shape: [1, 2] }], nodes: [{ op: 'Reshape', in: ['x', 'shape'], out: ['one'] }, ...reshaped],
      initializers: [...(plain.initializers ?? []), tensor('shape', 7, [2], int64(1, 2))],
    });
    expect(fitting(bytes).signature.graph.rowsPerCall).toBe(1);
    const rows = [{ f0: 1, f1: 3 }, { f0: 0, f1: 0 }, { f0: 1, f1: 3 }];
    expect(await predictions(bytes, rows)).toEqual([{ value: -0.5 }, { value: 0.5 }, { value: -0.5 }]);
  });

  it('keeps the names and ranges that are given for its columns', () => {
    const { signature } = fitting(model(linear()), { inputs: [{ name: 'speed', type: 'number', min: 0, max: 9 }, { name: 'load', type: 'number', required: false }], output: { name: 'wear', type: 'number' } });
    expect(signature).toMatchObject({ task: 'regression', family: 'onnx', inputs: [{ name: 'speed', min: 0, max: 9, required: true }, { name: 'load', required: false }], output: { name: 'wear', type: 'number' } });
  });

  it('of LightGBM or scikit-learn answers with its own label, without ZipMap', async () => {
    const answers = await predictions(model(trees()), [{ f0: 9, f1: 0.4 }, { f0: 9, f1: 0.6 }]);
    expect(answers).toMatchObject([{ label: '-1' }, { label: '1' }]);
    expect((answers[0] as { probabilities: number[] }).probabilities[1]).toBeCloseTo(1 / (1 + Math.exp(2)), 6);
  });

  it('of PyTorch may join rows and what belongs to each, as its recurrent layers and attention do, by sizes that it computes', async () => {
    const nodes: Node[] = [
      ...joined, { op: 'Reshape', in: ['x', 'size'], out: ['cells'] }, { op: 'Mul', in: ['cells', 'two'], out: ['doubled'] },
      { op: 'Reshape', in: ['doubled', 'shape'], out: ['rows'] }, { op: 'MatMul', in: ['rows', 'w'], out: ['y'] },
    ];
    const bytes = model({ ...linear(), nodes, initializers: [...joining, tensor('two', 1, [], float32(2)), tensor('w', 1, [2, 1], float32(1, -1))] });
    expect(await predictions(bytes, [{ f0: 1, f1: 3 }, { f0: 0, f1: 0.5 }, { f0: 2, f1: 2 }])).toEqual([{ value: -4 }, { value: -1 }, { value: 0 }]);
  });

  it('may have text for its classes, or get names for their numbers', async () => {
    const named = await predictions(model(trees({ classes: { strings: ['good', 'bad'] }, label: 8 })), [{ f0: 0, f1: 1 }]);
    expect(named).toMatchObject([{ label: 'bad' }]);
    expect(await predictions(model(trees()), [{ f0: 0, f1: 1 }], { output: { type: 'category', classes: ['fine', 'broken'] } })).toMatchObject([{ label: 'broken' }]);
  });

  const lookedUp = (label: number, classes: Uint8Array, before: Node[] = []): Uint8Array =>
    model({
      inputs: [{ name: 'x', shape: ['n', 3] }], outputs: [{ name: 'label', type: label, shape: ['n'] }, { name: 'scores', shape: ['n', 3] }],
      nodes: [
        ...before, { op: 'Softmax', in: ['x'], out: ['scores'], attributes: { axis: { i: 1 } } }, { op: 'ArgMax', in: ['x'], out: ['best'], attributes: { axis: { i: 1 }, keepdims: { i: 0 } } },
        { op: 'ArrayFeatureExtractor', domain: 'ai.onnx.ml', in: ['classes', 'best'], out: ['found'] }, { op: 'Reshape', in: ['found', 'flat'], out: ['label'] },
      ],
      initializers: [classes, tensor('flat', 7, [1], int64(-1))],
    });
  const oneEach = [{ f0: 1, f1: 0, f2: 0 }, { f0: 0, f1: 1, f2: 0 }, { f0: 0, f1: 0, f2: 1 }];

  it.each<[string, Node[]]>([
    ['', []],
    [', whatever models within it count', [{ op: 'TreeEnsembleClassifier', domain: 'ai.onnx.ml', in: ['x'], out: ['inner', 'raw'], attributes: { ...trees().nodes[0]!.attributes, classlabels_int64s: { ints: [0, 1, 2] } } }]],
  ])('answers with the most probable class where its label is a number that nothing explains%s', async (_what, before) => {
    const bytes = lookedUp(7, tensor('classes', 7, [1, 3], int64(1, 2, 3)), before);
    expect(codes(bytes)).toEqual(['signature_needed']);
    for (const classes of [['a', 'b', 'c'], ['1', '2', '3']]) {
      expect(await predictions(bytes, oneEach, { output: { type: 'category', classes } })).toMatchObject(classes.map((label) => ({ label })));
    }
  });

  it('is refused once it is tried if its label is none of its classes', async () => {
    const unknown = { type: 'refused', problems: [{ code: 'unknown_label', field: 'outputs' }] };
    const text = fitting(lookedUp(8, tensor('classes', 8, [1, 3], ['a', 'b', 'd'])), { output: { type: 'category', classes: ['a', 'b', 'c'] } });
    expect(await tryPackage(text.files, oneEach.map((inputs, at) => ({ inputs, prediction: 'abc'[at] })))).toMatchObject(unknown);
    const numbers = trees(); // the label is -1 or 1
    numbers.nodes[1]!.attributes = { classlabels_int64s: { ints: [7, 8] } };
    expect(await tryPackage(fitting(model(numbers)).files, undefined)).toMatchObject(unknown);
  });

  it('may give one probability, or values before Softmax, if the signature says so', async () => {
    const one = model(linear());
    const [answer] = await predictions(one, [{ f0: 1, f1: 1 }], { output: { type: 'category', classes: ['no', 'yes'], scores: 'logits' } });
    expect(answer).toMatchObject({ label: 'yes' });
    expect((answer as { probabilities: number[] }).probabilities[1]).toBeCloseTo(1 / (1 + Math.exp(-1.5)), 5);
    const two: Graph = { ...linear(), outputs: [{ name: 'y', shape: ['batch', 2] }], initializers: [tensor('w', 1, [2, 2], float32(2, 0, 0, 1)), tensor('b', 1, [2], float32(0, 0))] };
    const [logits] = await predictions(model(two), [{ f0: 1, f1: 1 }], { output: { type: 'category', classes: ['a', 'b'], scores: 'logits' } });
    expect((logits as { probabilities: number[] }).probabilities[0]).toBeCloseTo(1 / (1 + Math.exp(-1)), 5);
    expect(codes(model(two))).toEqual(['signature_needed']);
  });

  it('may take columns one by one, numbers and text, as pipelines of scikit-learn do', async () => {
    const pipeline: Graph = {
      inputs: [{ name: 'size', shape: ['?', 1] }, { name: 'colour', type: 8, shape: ['?', 1] }],
      outputs: [{ name: 'variable', shape: ['?', 1] }],
      nodes: [
        { op: 'OneHotEncoder', domain: 'ai.onnx.ml', in: ['colour'], out: ['hot'], attributes: { cats_strings: { strings: ['blue', 'red'] }, zeros: { i: 1 } } },
        { op: 'Reshape', in: ['hot', 'flat'], out: ['table'] },
        { op: 'Concat', in: ['size', 'table'], out: ['row'], attributes: { axis: { i: 1 } } },
        { op: 'MatMul', in: ['row', 'w'], out: ['variable'] },
      ],
      initializers: [tensor('flat', 7, [2], int64(-1, 2)), tensor('w', 1, [3, 1], float32(1, 10, 100))],
    };
    expect(await predictions(model(pipeline), [{ size: 1, colour: 'red' }, { size: 2, colour: 'blue' }])).toEqual([{ value: 101 }, { value: 12 }]);
  });

  it('may fill in text, pick its columns and encode them, as pipelines of scikit-learn do', async () => {
    const encode = (name: string): Node => ({ op: 'LabelEncoder', domain: 'ai.onnx.ml', in: [name], out: [`${name}_code`], attributes: { keys_strings: { strings: ['blue', 'red', 'none'] }, values_floats: { floats: [1, 2, 30] } } });
    const pipeline: Graph = {
      inputs: [{ name: 'one', type: 8, shape: ['?', 1] }, { name: 'other', type: 8, shape: ['?', 1] }],
      outputs: [{ name: 'variable', shape: ['?', 1] }],
      nodes: [
        { op: 'Concat', in: ['one', 'other'], out: ['both'], attributes: { axis: { i: 1 } } },
        { op: 'LabelEncoder', domain: 'ai.onnx.ml', in: ['zero'], out: ['fill'], attributes: { keys_int64s: { ints: [0] }, values_strings: { strings: ['none'] } } },
        { op: 'ArrayFeatureExtractor', domain: 'ai.onnx.ml', in: ['both', 'zero'], out: ['left'] },
        { op: 'ArrayFeatureExtractor', domain: 'ai.onnx.ml', in: ['both', 'first'], out: ['right'] },
        { op: 'LabelEncoder', domain: 'ai.onnx.ml', in: ['left'], out: ['missing'], attributes: { keys_strings: { strings: [''] }, values_int64s: { ints: [1] }, default_int64: { i: 0 } } },
        { op: 'Cast', in: ['missing'], out: ['isMissing'], attributes: { to: { i: 9 } } },
        { op: 'Where', in: ['isMissing', 'fill', 'left'], out: ['filled'] },
        encode('filled'), encode('right'), { op: 'Add', in: ['filled_code', 'right_code'], out: ['variable'] },
      ],
      initializers: [tensor('zero', 7, [1], int64(0)), tensor('first', 7, [1], int64(1))],
    };
    const column = (name: string) => ({ name, type: 'category', categories: ['', 'blue', 'red'] });
    const given = { inputs: [column('one'), column('other')] };
    expect(await predictions(model(pipeline, { opsets: [['', 17], ['ai.onnx.ml', 2]] }), [{ one: 'red', other: 'blue' }, { one: '', other: 'red' }], given)).toEqual([{ value: 3 }, { value: 32 }]);
  });

  it('is packed byte for byte the same each time, and says what it was made of', () => {
    const bytes = model(linear());
    const [first, second] = [fitting(bytes), fitting(bytes)];
    expect(second.digest).toBe(first.digest);
    const bill = JSON.parse(Buffer.from(first.files.get('bill-of-materials.json')!).toString());
    expect(bill).toMatchObject({ tools: { exporter: 'skl2onnx', millrace: 'test' }, graph: { operatorSets: { 'ai.onnx': 17, 'ai.onnx.ml': 1 } }, data: { filename: 'model.onnx' } });
  });

  it('must answer sample rows as it is known to', async () => {
    const built = fitting(model(linear()));
    const rows = (prediction: number) => [{ inputs: { f0: 1, f1: 3 }, prediction }, { inputs: { f0: 0, f1: 0 }, prediction: 0.5 }];
    expect(await tryPackage(built.files, rows(-0.5))).toMatchObject({ type: 'works', agreement: { type: 'agrees', rows: 2 } });
    expect(await tryPackage(built.files, rows(-0.4))).toMatchObject({ type: 'refused', problems: [{ code: 'disagrees', field: 'sampleRows[0].prediction' }] });
    expect(await tryPackage(built.files, [{ inputs: { f0: 1 }, prediction: 0 }])).toMatchObject({ type: 'refused', problems: [{ field: 'sampleRows[0].inputs.f1' }] });
    expect(await tryPackage(built.files, 'rows')).toMatchObject({ type: 'refused', problems: [{ code: 'sample_row' }] });
  });
});

const withNodes = (nodes: Node[], initializers: Uint8Array[] = []): Uint8Array => model(linear({ nodes, initializers }));
const shapeFrom = (op: string, inputs: string[]): Uint8Array =>
  withNodes(
    [{ op: 'Cast', in: ['x'], out: ['n'], attributes: { to: { i: 7 } } }, { op: 'Reshape', in: ['n', 'one'], out: ['size'] }, { op, in: inputs, out: ['y'] }],
    [tensor('one', 7, [1], int64(-1)), tensor('c', 1, [1, 1], float32(1))],
  );
/** Texts that a row picks by whether it is large, encoded after that. */
const picking = (nodes: Node[], second = 'b'): Uint8Array =>
  model({
    ...linear(),
    nodes: [
      { op: 'Greater', in: ['x', 'many'], out: ['more'] }, { op: 'Cast', in: ['more'], out: ['is'], attributes: { to: { i: 7 } } }, ...nodes,
      { op: 'LabelEncoder', domain: 'ai.onnx.ml', in: ['text'], out: ['codes'], attributes: { keys_strings: { strings: ['a'] }, values_floats: { floats: [1] } } }, { op: 'ReduceSum', in: ['codes', 'last'], out: ['y'] },
    ],
    initializers: [tensor('many', 1, [], float32(1e6)), tensor('texts', 8, [2], ['a', second]), tensor('wide', 7, [2], int64(1, 1000)), tensor('last', 7, [1], int64(1))],
  }, { opsets: [['', 17], ['ai.onnx.ml', 2]] });
/** A whole number of each row, divided. */
const dividing = (op: string, by: string[], constant = 2): Uint8Array =>
  model({
    ...linear(),
    nodes: [
      { op: 'ReduceSum', in: ['x', 'last'], out: ['sum'] }, { op: 'Cast', in: ['sum'], out: ['whole'], attributes: { to: { i: 7 } } }, { op: 'Neg', in: ['c'], out: ['negated'] },
      { op, in: by, out: ['share'] }, { op: 'Cast', in: ['share'], out: ['y'], attributes: { to: { i: 1 } } },
    ],
    initializers: [tensor('c', 7, [1], int64(constant)), tensor('last', 7, [1], int64(1))],
  });
const textColumns = (width: number, keys: number, length: number, letter = 'x'): Uint8Array =>
  model({
    inputs: [{ name: 'x', type: 8, shape: ['n', width] }], outputs: [{ name: 'y', shape: ['n', 1] }],
    nodes: [
      { op: 'LabelEncoder', domain: 'ai.onnx.ml', in: ['x'], out: ['codes'], attributes: { keys_strings: { strings: Array.from({ length: keys }, (_, key) => String(key).padStart(length, letter)) }, values_floats: { floats: Array.from({ length: keys }, (_, key) => key) } } },
      { op: 'ReduceSum', in: ['codes', 'last'], out: ['y'] },
    ],
    initializers: [tensor('last', 7, [1], int64(1))],
  }, { opsets: [['', 17], ['ai.onnx.ml', 2]] });
const manyClasses = (count: number): Uint8Array => {
  const of = trees();
  of.nodes[1]!.attributes = { classlabels_int64s: { ints: Array.from({ length: count }, (_, one) => one) } };
  return model(of);
};
const body = graph({ nodes: [{ op: 'Identity', in: ['a'], out: ['b'] }], inputs: [{ name: 'a' }], outputs: [{ name: 'b' }] });
const treesWith = (attributes: Parameters<typeof trees>[0] extends infer T ? NonNullable<T> extends { attributes?: infer A } ? NonNullable<A> : never : never): Uint8Array => model(trees({ attributes }));

/** What is refused before anything is loaded, and by which name. */
const malicious: [what: string, code: string, bytes: Uint8Array][] = [
  ['no bytes', 'not_onnx', new Uint8Array()],
  ['text', 'not_onnx', Buffer.from('import os; os.system("true")')],
  ['a pickle', 'not_onnx', Buffer.from('80049526000000000000008c05706f736978948c0673797374656d9493948c0474727565948594529 42e'.replace(/ /g, ''), 'hex')],
  ['half a model', 'not_onnx', model(linear()).subarray(0, -7)],
  ['a length beyond its end', 'not_onnx', Buffer.concat([model(linear()), Buffer.from([0x3a, 0xff, 0xff, 0xff, 0xff, 0x7f])])],
  ['a column whose name holds a NUL', 'unfit_text', model({ ...linear(), inputs: [{ name: 'x\0', shape: ['n', 2] }], nodes: [{ op: 'MatMul', in: ['x\0', 'w'], out: ['h'] }, { op: 'Add', in: ['h', 'b'], out: ['y'] }] })],
  ['a class whose name holds a NUL', 'unfit_text', model(trees({ classes: { strings: ['good', 'b\0d'] }, label: 8 }))],
  ['two graphs, which other readers merge', 'ambiguous', model(linear(), { extra: [lengthDelimited(7, graph(linear()))] })],
  ['a field that ONNX does not have', 'unknown_field', model(linear(), { extra: [lengthDelimited(99, Buffer.from('payload'))] })],
  ['a field that a node does not have', 'unknown_field', withNodes([{ op: 'Identity', in: ['x'], out: ['y'], extra: [lengthDelimited(77, Buffer.from('x'))] }])],
  ['functions of its own', 'not_taken', model(linear(), { extra: [lengthDelimited(25, Buffer.from([]))] })],
  ['training', 'not_taken', model(linear(), { extra: [lengthDelimited(20, Buffer.from([]))] })],
  ['weights in another file', 'external_data', withNodes(linear().nodes, [tensor('w', 1, [2, 1], null, [lengthDelimited(13, message(lengthDelimited(1, Buffer.from('location')), lengthDelimited(2, Buffer.from('/etc/passwd')))), varintField(14, 1n)])])],
  ['weights in another file, said by the place only', 'external_data', withNodes(linear().nodes, [tensor('w', 1, [2, 1], float32(1, 2), [varintField(14, 1n)])])],
  ['twenty million texts of no bytes', 'tensor_data', withNodes(linear().nodes, [tensor('w', 8, [20_000_000], null)])],
  ['a shape of 10^18 elements', 'tensor_data', withNodes(linear().nodes, [tensor('w', 1, [1e9, 1e9], float32(1))])],
  ['a shape below zero', 'tensor_shape', withNodes(linear().nodes, [tensor('w', 1, [-1], float32(1))])],
  ['bytes after a tensor’s elements', 'tensor_data', withNodes(linear().nodes, [tensor('w', 1, [2, 1], float32(1, 2, 3))])],
  ['a tensor of complex numbers', 'element_type', withNodes(linear().nodes, [tensor('w', 14, [1], float32(1, 2))])],
  ['an operator of somebody’s own', 'operator_domain', withNodes([{ op: 'Shell', domain: 'com.evil', in: ['x'], out: ['y'] }])],
  ['an operator that runs Python', 'operator_domain', model(linear({ nodes: [{ op: 'PyOp', domain: 'pyopmulti', in: ['x'], out: ['y'] }] }), { opsets: [['', 17], ['pyopmulti', 1]] })],
  ['an operator of the engine’s own', 'operator_domain', model(linear({ nodes: [{ op: 'FusedMatMul', domain: 'com.microsoft', in: ['x'], out: ['y'] }] }), { opsets: [['', 17], ['com.microsoft', 1]] })],
  ['an operator that draws at random', 'operator', withNodes([{ op: 'RandomNormalLike', in: ['x'], out: ['y'] }])],
  ['an operator that decodes files', 'operator', withNodes([{ op: 'ImageDecoder', in: ['x'], out: ['y'] }])],
  ['an operator with regular expressions', 'operator', withNodes([{ op: 'RegexFullMatch', in: ['x'], out: ['y'] }])],
  ['a loop', 'operator', withNodes([{ op: 'Loop', in: ['x'], out: ['y'], attributes: { body: { g: body } } }])],
  ['a branch', 'operator', withNodes([{ op: 'If', in: ['x'], out: ['y'], attributes: { then_branch: { g: body }, else_branch: { g: body } } }])],
  ['Millrace’s own loop in foreign hands', 'operator', withNodes([{ op: 'Scan', in: ['x'], out: ['y'], attributes: { body: { g: body } } }])],
  ['a graph in an operator that has none', 'subgraph', withNodes([{ op: 'Identity', in: ['x'], out: ['y'], attributes: { body: { g: body } } }])],
  ['graphs within graphs', 'subgraph', withNodes([{ op: 'Loop', in: ['x'], out: ['y'], attributes: { body: { g: graph({ nodes: [{ op: 'If', in: [], out: ['b'], attributes: { then_branch: { g: body } } }], inputs: [], outputs: [{ name: 'b' }] }) } } }])],
  ['a reference to an attribute elsewhere', 'not_taken', withNodes([{ op: 'Identity', in: ['x'], out: ['y'], attributes: { to: { raw: lengthDelimited(21, Buffer.from('x')) } } }])],
  ['an operator set that is too new', 'operator_set', model(linear(), { opsets: [['', 9_999]] })],
  ['an operator set that is too old', 'operator_set', model(linear(), { opsets: [['', 1]] })],
  ['a circle', 'broken_graph', withNodes([{ op: 'Add', in: ['x', 'b'], out: ['a'] }, { op: 'Identity', in: ['a'], out: ['b'] }, { op: 'Identity', in: ['b'], out: ['y'] }])],
  ['one name made twice', 'broken_graph', withNodes([{ op: 'Identity', in: ['x'], out: ['y'] }, { op: 'Neg', in: ['x'], out: ['y'] }])],
  ['an answer from nowhere', 'broken_graph', withNodes([{ op: 'Identity', in: ['x'], out: ['z'] }])],
  ['an answer as large as the caller likes: Expand', 'size_from_values', shapeFrom('Expand', ['c', 'size'])],
  ['an answer as large as the caller likes: ConstantOfShape', 'size_from_values', shapeFrom('ConstantOfShape', ['size'])],
  ['an answer as large as the caller likes: Tile', 'size_from_values', shapeFrom('Tile', ['c', 'size'])],
  ['an answer as large as the caller likes: Range', 'size_from_values', shapeFrom('Range', ['size', 'size', 'size'])],
  ['an answer as large as the caller likes: OneHot', 'size_from_values', shapeFrom('OneHot', ['n', 'size', 'c'])],
  ['an answer as large as the caller likes: Pad', 'size_from_values', shapeFrom('Pad', ['x', 'size'])],
  ['an answer of a size that is computed: Expand', 'size_computed', model({ ...linear(), nodes: [...joined, { op: 'Expand', in: ['x', 'size'], out: ['y'] }], initializers: joining })],
  ['a text as long as its author likes, which a row may pick', 'text_too_long', picking([{ op: 'Gather', in: ['texts', 'is'], out: ['text'] }], 'x'.repeat(501))],
  ['such a text in an encoder', 'text_too_long', picking([{ op: 'LabelEncoder', domain: 'ai.onnx.ml', in: ['is'], out: ['text'], attributes: { keys_int64s: { ints: [0] }, values_strings: { strings: ['a'] }, default_string: { s: 'x'.repeat(501) } } }])],
  ['any number of texts for a row, by the numbers in it', 'text_operator', picking([{ op: 'Expand', in: ['is', 'wide'], out: ['all'] }, { op: 'Gather', in: ['texts', 'all'], out: ['text'] }])],
  ['any number of texts for a row, by an encoder', 'text_operator', picking([{ op: 'Expand', in: ['is', 'wide'], out: ['all'] }, { op: 'LabelEncoder', domain: 'ai.onnx.ml', in: ['all'], out: ['text'], attributes: { keys_int64s: { ints: [0] }, values_strings: { strings: ['a'] } } }])],
  ['a text that is repeated', 'text_operator', picking([{ op: 'Gather', in: ['texts', 'is'], out: ['one'] }, { op: 'Expand', in: ['one', 'wide'], out: ['text'] }])],
  ['text that nothing looks at', 'text_operator', withNodes([...linear().nodes, { op: 'ArgMax', in: ['x'], out: ['is'] }, { op: 'Gather', in: ['texts', 'is'], out: ['text'] }], [tensor('texts', 8, [2], ['a', 'b']), tensor('w', 1, [2, 1], float32(2, -1)), tensor('b', 1, [1], float32(0.5))])],
  ['a column of text doubled eleven times', 'texts_repeated', model({
    inputs: [{ name: 'x', type: 8, shape: ['n', 1] }], outputs: [{ name: 'y', shape: ['n', 2048] }],
    nodes: [
      ...Array.from({ length: 11 }, (_, at): Node => ({ op: 'Concat', in: [at ? `x${at}` : 'x', at ? `x${at}` : 'x'], out: [`x${at + 1}`], attributes: { axis: { i: 1 } } })),
      { op: 'LabelEncoder', domain: 'ai.onnx.ml', in: ['x11'], out: ['y'], attributes: { keys_strings: { strings: ['a'] }, values_floats: { floats: [1] } } },
    ],
  }, { opsets: [['', 17], ['ai.onnx.ml', 2]] })],
  ...['Div', 'Mod'].flatMap((op) => [
    [`whole numbers divided by others that are sent: ${op}`, 'whole_division', dividing(op, ['whole', 'whole'])],
    [`whole numbers divided by a constant that a node makes: ${op}`, 'whole_division', dividing(op, ['whole', 'negated'])],
    [`whole numbers divided by -1: ${op}`, 'whole_division', dividing(op, ['whole', 'c'], -1)],
    [`whole numbers divided by 0: ${op}`, 'whole_division', dividing(op, ['whole', 'c'], 0)],
  ] as typeof malicious),
  ['whole numbers that say where the largest of a picture is, divided', 'whole_division', withNodes([
    { op: 'Reshape', in: ['x', 'lines'], out: ['line'] }, { op: 'MaxPool', in: ['line'], out: ['most', 'at'], attributes: { kernel_shape: { ints: [2] } } },
    { op: 'Div', in: ['at', 'at'], out: ['share'] }, { op: 'Cast', in: ['share'], out: ['y'], attributes: { to: { i: 1 } } },
  ], [tensor('lines', 7, [3], int64(-1, 1, 2))])],
  ['trees that go round in a circle', 'broken_trees', treesWith({ nodes_modes: { strings: ['BRANCH_LEQ', 'BRANCH_LEQ', 'LEAF'] }, nodes_truenodeids: { ints: [1, 1, 0] }, nodes_falsenodeids: { ints: [2, 2, 0] } })],
  ['trees that lead nowhere', 'broken_trees', treesWith({ nodes_truenodeids: { ints: [7, 0, 0] } })],
  ['a tree of 1001 levels', 'trees_too_deep', model(chains(1, 1001))],
  ['trees with weights for no answer', 'broken_trees', treesWith({ class_ids: { ints: [0, 1_000_000] } })],
  ['trees with weights at no leaf', 'broken_trees', treesWith({ class_nodeids: { ints: [1, 99] } })],
  ['trees that look at column -1', 'broken_trees', treesWith({ nodes_featureids: { ints: [-1, 0, 0] } })],
  ['trees with lists of two lengths', 'broken_trees', treesWith({ nodes_values: { floats: [0.5] } })],
  ['trees of an unknown kind', 'broken_trees', treesWith({ nodes_modes: { strings: ['JUMP', 'LEAF', 'LEAF'] } })],
  ['a linear model that does not divide', 'broken_linear_model', model({ ...linear(), nodes: [{ op: 'LinearRegressor', domain: 'ai.onnx.ml', in: ['x'], out: ['y'], attributes: { targets: { i: 2 }, coefficients: { floats: [1, 2, 3] } } }] })],
  ['a list of dictionaries for its input', 'input_type', model({ ...linear(), inputs: [{ name: 'x', raw: lengthDelimited(4, new Uint8Array()) }] })],
  ['pictures for its input, of which nothing is told', 'signature_needed', model({ ...linear(), inputs: [{ name: 'x', shape: ['n', 3, 9, 9] }] })],
  ['rows of one fixed number', 'fixed_rows', model({ ...linear(), inputs: [{ name: 'x', shape: [2, 2] }] })],
  ['two million columns', 'input_shape', model({ ...linear(), inputs: [{ name: 'x', shape: ['n', 2_000_000] }] })],
  ['a thousand columns of the same long texts', 'signature_too_large', textColumns(1000, 100, 200)],
  ['a thousand columns of the same texts with much to escape', 'signature_too_large', textColumns(1000, 100, 100, '\u0001')],
  ['10 001 classes', 'signature', manyClasses(10_001)],
  ['answers of no kind', 'outputs', model({ ...linear(), outputs: [{ name: 'y', shape: ['n', 1] }, { name: 'x', shape: ['n', 2] }] })],
  ['20 001 nodes', 'too_many_parts', withNodes(Array.from({ length: 20_001 }, (_, at) => ({ op: 'Identity', in: [at ? `v${at - 1}` : 'x'], out: [at === 20_000 ? 'y' : `v${at}`] })))],
];

it.each(malicious)('refuses %s: %s', (_what, code, bytes) => {
  expect(codes(bytes)).toEqual([code]);
});

it('divides whole numbers by a constant', async () => {
  expect(await predictions(dividing('Div', ['whole', 'c']), [{ f0: 4, f1: 5 }])).toEqual([{ value: 4 }]);
});

it('refuses a signature that the model contradicts, field by field', () => {
  const bytes = model(linear());
  const one = { name: 'a', type: 'number' };
  expect(codes(bytes, { inputs: [one] })).toEqual(['signature']);
  expect(codes(bytes, { inputs: [one, one] })).toEqual(['input_twice']);
  expect(codes(bytes, { inputs: [one, { name: 'b', type: 'category', categories: ['x'] }] })).toEqual(['signature']);
  expect(codes(bytes, { inputs: [one, { ...one, name: 'b', min: 2, max: 1 }] })).toEqual(['signature']);
  expect(codes(bytes, { output: { type: 'category', classes: ['a', 'b', 'c'] } })).toEqual(['signature']);
  expect(codes(bytes, { code: 'x' })).toEqual(['signature']);
  expect(codes(bytes, 7)).toEqual(['signature']);
});

const sizes = BigInt64Array.from({ length: 300 }, (_, rows) => (rows === 5 ? 2n ** 48n : 0n));
/** Adds the sum of what nodes make of the number of rows. */
const bombAt = (nodes: Node[], initializers: Uint8Array[]): Uint8Array =>
  model(linear({
    nodes: [
      { op: 'Shape', in: ['x'], out: ['shape'] }, { op: 'Slice', in: ['shape', 'zero', 'first'], out: ['n'] }, ...nodes, { op: 'ReduceSum', in: ['wide'], out: ['sum'], attributes: { keepdims: { i: 0 } } },
      { op: 'MatMul', in: ['x', 'w'], out: ['h'] }, { op: 'Add', in: ['h', 'sum'], out: ['y'] },
    ],
    initializers: [tensor('w', 1, [2, 1], float32(1, 2)), tensor('zero', 7, [1], int64(0)), tensor('first', 7, [1], int64(1)), ...initializers],
  }));

/** What only trying shows. Each is small enough here to be tried without a process of its own. */
const onlyTried: [what: string, code: string, bytes: Uint8Array][] = [
  ['reads beyond the columns that it gets', 'prediction_failed', model(trees({ column: 5 }))],
  ['has weights that do not fit its rows', 'load_failed', model(linear({ initializers: [tensor('w', 1, [7, 1], float32(1, 2, 3, 4, 5, 6, 7)), tensor('b', 1, [1], float32(0))] }))],
  ['lets rows change each other’s answers', 'row_dependent', withNodes([{ op: 'ReduceSum', in: ['x', 'rows'], out: ['total'], attributes: { keepdims: { i: 1 } } }, { op: 'Sub', in: ['x', 'total'], out: ['d'] }, { op: 'MatMul', in: ['d', 'w'], out: ['y'] }], [tensor('rows', 7, [1], int64(0)), tensor('w', 1, [2, 1], float32(1, 1))])],
  ['answers nothing that is finite', 'no_finite_prediction', withNodes([{ op: 'MatMul', in: ['x', 'w'], out: ['z'] }, { op: 'Log', in: ['z'], out: ['y'] }], [tensor('w', 1, [2, 1], float32(-1, -1))])],
  // Five rows, which lie between the numbers that a search for the largest call tries: from a table, or by cutting.
  ['takes all memory for one number of rows', 'prediction_failed', bombAt([{ op: 'Gather', in: ['sizes', 'n'], out: ['size'] }, { op: 'ConstantOfShape', in: ['size'], out: ['wide'] }], [tensor('sizes', 7, [300], sizes)])],
  ['takes all memory for one number of rows, without a number for it', 'prediction_failed', bombAt([
    { op: 'Slice', in: ['x', 'four', 'five'], out: ['from5'] }, { op: 'Slice', in: ['x', 'five', 'six'], out: ['from6'] },
    { op: 'Shape', in: ['from6'], out: ['shape6'] }, { op: 'Slice', in: ['shape6', 'zero', 'one'], out: ['is6'] },
    { op: 'Slice', in: ['from5', 'is6', 'one'], out: ['is5'] }, { op: 'Tile', in: ['is5', 'huge'], out: ['wide'] },
  ], [4, 5, 6].map((at) => tensor(['four', 'five', 'six'][at - 4]!, 7, [1], int64(at))).concat(tensor('one', 7, [1], int64(1)), tensor('huge', 7, [2], int64(2 ** 40, 2 ** 8))))],
  ['changes its answers for one number of rows', 'row_dependent', bombAt([{ op: 'Gather', in: ['sizes', 'n'], out: ['size'] }, { op: 'ConstantOfShape', in: ['size'], out: ['wide'], attributes: { value: { t: tensor('', 1, [1], float32(1)) } } }], [tensor('sizes', 7, [300], sizes.map((size) => size && 1n))])],
  ['gives an answer for two rows at once', 'prediction_failed', withNodes([{ op: 'ReduceSum', in: ['x', 'rows'], out: ['y'], attributes: { keepdims: { i: 1 } } }], [tensor('rows', 7, [2], int64(0, 1))])],
];

it.each(onlyTried)('a model that %s is refused once it is tried: %s', async (_what, code, bytes) => {
  expect(await tryPackage(fitting(bytes).files, undefined)).toMatchObject({ type: 'refused', problems: [{ code, field: expect.any(String), remedy: expect.any(String) }] });
});

it('what a model says of its own values is not believed', () => {
  const lying = model({ ...linear(), extra: [lengthDelimited(13, value({ name: 'w', shape: [1_000_000] }))] });
  const [written] = [...fieldsOf(fitting(lying).files.get('model.onnx')!)].filter(({ number }) => number === 7);
  expect([...fieldsOf(written!.bytes)].filter(({ number }) => number === 13)).toEqual([]);
});

describe('trees', () => {
  it.each([[1, 2, 256], [8, 1000, 250], [20, 1000, 100]])('of which there are %i, each of %i levels, take at most %i rows a call, whichever way the rows that are tried go', (count, levels, rows) => {
    expect(fitting(model(chains(count, levels))).signature.graph.rowsPerCall).toBe(rows);
  });

  it('are refused where one row may visit too many of their nodes', () => {
    expect(rowsWithVisits(2_000_000, false)).toBe(1);
    expect(rowsWithVisits(2_000_001, true)).toBe(1);
    expect(() => rowsWithVisits(2_000_001, false)).toThrow(expect.objectContaining({ problem: expect.objectContaining({ code: 'too_slow', field: 'model' }) }));
  });

  it('as deep as they may be load in a thread, and answer at their ends', async () => {
    const threads = createModelThreads(1);
    try {
      const loaded = await loadModel(fitting(model(chains(1, 1000))).files, { thread: threads.next() });
      const checked = checkRows(loaded.signature, [{ f0: -1, f1: 0 }, { f0: 1e6, f1: 0 }]);
      if (checked.type === 'invalid') throw new Error(JSON.stringify(checked.problems));
      expect(await loaded.predict(checked.rows)).toMatchObject([{ label: '-1' }, { label: '1' }]);
      await loaded.close();
    } finally {
      await threads.close();
    }
  });
});

describe('a model that is slow', () => {
  const side = 300;
  const layers = 4;
  const slow = linear({
    nodes: [{ op: 'MatMul', in: ['x', 'w'], out: ['h0'] }, ...Array.from({ length: layers }, (_, at) => ({ op: 'MatMul', in: [`h${at}`, 'big'], out: [`h${at + 1}`] })), { op: 'MatMul', in: [`h${layers}`, 'v'], out: ['y'] }],
    initializers: [tensor('w', 1, [2, side], new Float32Array(2 * side)), tensor('big', 1, [side, side], new Float32Array(side * side)), tensor('v', 1, [side, 1], new Float32Array(side))],
  });

  it('gets as many rows a call as stay within the bound, and is refused where one row does not', async () => {
    const built = fitting(model(slow));
    const whole = await tryPackage(built.files, undefined, { longestMs: Infinity });
    if (whole.type !== 'works') throw new Error(JSON.stringify(whole));
    expect(whole.speed.rowsPerCall).toBe(256);
    const part = await tryPackage(built.files, undefined, { longestMs: whole.speed.millisecondsPerCall / 2 });
    if (part.type !== 'works') throw new Error(JSON.stringify(part));
    expect(part.speed.rowsPerCall).toBeLessThan(256);
    expect(part.speed.millisecondsPerCall).toBeLessThanOrEqual(whole.speed.millisecondsPerCall / 2);
    expect(await tryPackage(built.files, undefined, { longestMs: 0 })).toMatchObject({ type: 'refused', problems: [{ code: 'too_slow', field: 'model' }] });
  });

  it('is packed anew with them, and is the same model', async () => {
    const built = fitting(model(slow));
    const lowered = withRowsPerCall(built, 7);
    expect(lowered.signature.graph.rowsPerCall).toBe(7);
    expect(await verifyPackage(lowered.files, { digest: lowered.digest })).toMatchObject({ type: 'intact', signature: lowered.signature });
    expect(withRowsPerCall(lowered, 256)).toEqual(built);
    const loaded = await loadModel(lowered.files);
    expect(loaded.signature.graph.rowsPerCall).toBe(7);
    await loaded.close();
  });
});

import { createHash } from 'node:crypto';
import { randomDense, randomNearestNeighbours, randomTrees } from '../test/random-pipeline.ts';
import {
  backgroundRowsIn,
  buildPackage,
  DamagedPackageError,
  type DecisionTree,
  type FittedPipeline,
  loadModel,
  type ModelPackage,
  type PackageFacts,
  readBackground,
  tensorMetadata,
  verifyPackage,
} from './index.ts';

const shape = { seed: 11, numbers: 2, categories: 2, classes: 3 };
const dense = () => randomDense(shape, [{ units: 6, activation: 'relu' }]);
const trees = () => randomTrees(shape, 'boosted_trees', { trees: 2, leaves: 5 });
const neighbours = () => randomNearestNeighbours(shape, { rows: 25, k: 3, weights: 'distance' });
const FACTS: PackageFacts = {
  metrics: { accuracy: 0.95, confusion: [[9, 1], [0, 10]], rocAuc: null },
  lineage: { runId: 'run_1' },
};
const CONTENT = ['bill-of-materials.json', 'lineage.json', 'metrics.json', 'model.onnx', 'signature.json'];

/** Map order and buffers of its own, so that a test may change them. */
function copyFiles({ files }: ModelPackage): Map<string, Uint8Array> {
  return new Map([...files].map(([path, bytes]) => [path, bytes.slice()]));
}

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/** As somebody would who changes a file and mends the manifest after it. */
function replaceFile(built: ModelPackage, path: string, bytes: Uint8Array): Map<string, Uint8Array> {
  const files = copyFiles(built).set(path, bytes);
  const entries = built.manifest.files.map((file) =>
    file.path === path ? { path, sha256: sha256(bytes), sizeBytes: bytes.byteLength } : file,
  );
  return files.set('manifest.json', json({ files: entries, formatVersion: 2 }));
}

function json(value: unknown): Uint8Array {
  return new TextEncoder().encode(`${JSON.stringify(value, undefined, 2)}\n`);
}

async function expectDamaged(files: Map<string, Uint8Array>, code: string, field: string): Promise<void> {
  const verified = await verifyPackage(files);
  if (verified.type !== 'damaged') throw new Error('The package passes as intact.');
  const [message, remedy] = [expect.any(String), expect.stringMatching(/\.$/)];
  expect(verified.problems).toContainEqual({ code, field, message, remedy });
  await expect(loadModel(files)).rejects.toBeInstanceOf(DamagedPackageError);
}

describe('buildPackage', () => {
  it.each([{ family: 'dense', make: dense }, { family: 'knn', make: neighbours }, { family: 'boosted_trees', make: trees }])(
    'writes the same bytes when a $family model is built again',
    ({ make }) => {
      const [first, second] = [buildPackage(make(), FACTS), buildPackage(make(), FACTS)];
      expect(second.files).toEqual(first.files);
      expect(second.digest).toBe(first.digest);
    },
  );

  it('writes the same bytes whatever the order of keys in metrics and lineage', () => {
    const one = buildPackage(dense(), { metrics: { a: 1, b: { c: 2, d: 3 } }, lineage: {} });
    const other = buildPackage(dense(), { metrics: { b: { d: 3, c: 2 }, a: 1, e: undefined }, lineage: {} });
    expect(other.digest).toBe(one.digest);
  });

  it('writes other bytes for another weight', () => {
    const changed = dense();
    if (changed.estimator.family === 'dense') changed.estimator.layers[0]!.bias[0]! += 1e-6;
    expect(buildPackage(changed, FACTS).digest).not.toBe(buildPackage(dense(), FACTS).digest);
  });

  it('lists every file with its size and SHA-256, and counts them', () => {
    const built = buildPackage(dense(), FACTS);
    expect([...built.files.keys()].sort()).toEqual([...CONTENT, 'manifest.json'].sort());
    expect(built.manifest.files.map((file) => file.path)).toEqual(CONTENT);
    for (const file of built.manifest.files) {
      const bytes = built.files.get(file.path)!;
      expect(file).toEqual({ path: file.path, sizeBytes: bytes.byteLength, sha256: sha256(bytes) });
    }
    expect(built.digest).toBe(sha256(built.files.get('manifest.json')!));
    expect(built.sizeBytes).toBe([...built.files.values()].reduce((sum, bytes) => sum + bytes.byteLength, 0));
    expect(built.gzipBytes).toBeGreaterThan(0);
    expect(built.gzipBytes).toBeLessThan(built.sizeBytes);
  });

  it('keeps background rows beside the rest, sealed like it; without any, the package is as before', async () => {
    const { signature } = buildPackage(dense(), FACTS);
    const row = signature.inputs.map((input) => (input.type === 'number' ? input.min : null));
    const built = buildPackage(dense(), { ...FACTS, background: [row, row] });
    expect(built.manifest).toMatchObject({ formatVersion: 3, files: [{ path: 'background.json' }, ...CONTENT.map((path) => ({ path }))] });
    expect(readBackground(built.files, signature)!.count).toBe(2);
    expect(backgroundRowsIn(built.files)).toEqual([row, row]);
    expect(readBackground(buildPackage(dense(), { ...FACTS, background: [] }).files, signature)).toBeNull();
    expect(buildPackage(dense(), { ...FACTS, background: [] }).digest).toBe(buildPackage(dense(), FACTS).digest);
    expect((await verifyPackage(built.files)).type).toBe('intact');
    await expectDamaged(copyFiles(built).set('background.json', json({ formatVersion: 1, rows: [row] })), 'wrong_size', 'background.json');
    expect(() => buildPackage(dense(), { ...FACTS, background: [row.slice(1)] })).toThrow(expect.objectContaining({ code: 'INVALID', field: 'background' }));
  });

  it('keeps metrics and lineage as given', () => {
    const { files } = buildPackage(dense(), FACTS);
    const read = (path: string) => JSON.parse(new TextDecoder().decode(files.get(path)));
    expect(read('metrics.json')).toEqual(FACTS.metrics);
    expect(read('lineage.json')).toEqual(FACTS.lineage);
  });

  it.each([
    ['metrics.auc[0]', { metrics: { auc: [NaN] }, lineage: {} }],
    ['lineage.at', { metrics: {}, lineage: { at: new Date(0) as never } }],
  ])('refuses facts that JSON cannot hold and names %s', (field, facts) => {
    expect(() => buildPackage(dense(), facts)).toThrow(expect.objectContaining({ code: 'INVALID', field }));
  });

  const broken: Array<[string, () => FittedPipeline]> = [
    ['features', () => ({ ...dense(), features: [] })],
    ['features', () => ({ ...dense(), features: [...dense().features, dense().features[0]!] })],
    ['features.x', () => withNumber({ scale: 0 })],
    ['features.x', () => withNumber({ fill: NaN })],
    ['features.x', () => withNumber({ min: 2, max: 1 })],
    ['features.c', () => withCategories(['a', 'a'])],
    ['features.c', () => withCategories(['a\0b'])],
    ['features.c', () => withCategories(['\ud800'])],
    ['features', () => withCategories([])],
    ['target.classes', () => ({ ...dense(), target: { name: 'y', type: 'category', classes: [] } })],
    ['target.name', () => ({ ...dense(), target: { ...dense().target, name: dense().features[0]!.name } })],
    ['estimator.layers', () => ({ ...dense(), target: { name: 'y', type: 'number', mean: 0, scale: 1 } })],
    ['estimator.layers[0]', () => withLayer({ kernel: new Float32Array(3) })],
    ['estimator.layers[0]', () => withLayer({ inputs: 99 })],
    ['estimator.layers[0]', () => withLayer({ residual: true })],
    ['estimator.layers[0]', () => withLayer({ bias: new Float32Array(6).fill(NaN) })],
    ['estimator.k', () => withNeighbours({ k: 0 })],
    ['estimator.k', () => withNeighbours({ k: 26 })],
    ['estimator.rows', () => withNeighbours({ rows: new Float64Array(5) })],
    ['estimator.targets', () => withNeighbours({ targets: new Int32Array(25).fill(3) })],
    ['estimator.outputs', () => withTrees({ outputs: 2 })],
    ['estimator.codes', () => withTrees({ codes: [] })],
    ['estimator.trees', () => withTrees({ trees: [] })],
    ['estimator.trees[0]', () => withTree((tree) => ({ values: tree.values.slice(1) }))],
    ['estimator.trees[0]', () => withTree((tree) => ({ values: tree.values.map(() => NaN) }))],
    ['estimator.trees[0]', () => withTree((tree) => ({ left: tree.left.map(() => 0) }))],
    ['estimator.trees[0]', () => withTree((tree) => ({ right: tree.left }))],
    ['estimator.trees[0]', () => withTree((tree) => ({ feature: tree.feature.map((asked) => (asked < 0 ? asked : 9)) }))],
  ];

  it.each<[string, FittedPipeline['estimator']]>([
    ['estimator.answer', { family: 'baseline', answer: Float64Array.of(1) }],
    ['estimator.answer', { family: 'baseline', answer: Float64Array.of(0.5, NaN, 0.5) }],
    ['estimator.width', { family: 'linear', width: 99, kernel: new Float64Array(3), bias: new Float64Array(3) }],
  ])('refuses an estimator that does not fit and names %s (case %#)', (field, estimator) => {
    expect(() => buildPackage({ ...dense(), estimator }, FACTS)).toThrow(expect.objectContaining({ code: 'INVALID', field }));
  });

  function withNumber(change: object): FittedPipeline {
    const range = { min: 0, max: 1, mean: 0, scale: 1, fill: 0 };
    return { ...dense(), features: [{ name: 'x', type: 'number', ...range, missingAllowed: true, ...change }] };
  }

  function withCategories(categories: string[]): FittedPipeline {
    return { ...dense(), features: [{ name: 'c', type: 'category', categories, missingAllowed: true }] };
  }

  function withLayer(change: object): FittedPipeline {
    const pipeline = dense();
    if (pipeline.estimator.family === 'dense') Object.assign(pipeline.estimator.layers[0]!, change);
    return pipeline;
  }

  function withNeighbours(change: object): FittedPipeline {
    const pipeline = neighbours();
    return { ...pipeline, estimator: { ...pipeline.estimator, ...change } as FittedPipeline['estimator'] };
  }

  function withTrees(change: object): FittedPipeline {
    const pipeline = trees();
    return { ...pipeline, estimator: { ...pipeline.estimator, ...change } as FittedPipeline['estimator'] };
  }

  function withTree(change: (tree: DecisionTree) => Partial<DecisionTree>): FittedPipeline {
    const { estimator } = trees();
    if (estimator.family !== 'boosted_trees') throw new Error('These are no trees.');
    return withTrees({ trees: estimator.trees.map((tree) => ({ ...tree, ...change(tree) })) });
  }

  it.each(broken)('refuses a pipeline that cannot work and names %s (case %#)', (field, make) => {
    expect(() => buildPackage(make(), FACTS)).toThrow(expect.objectContaining({ code: 'INVALID', field }));
  });
});

describe('verifyPackage', () => {
  it('finds an untouched package intact, whatever the order of its files', async () => {
    const built = buildPackage(neighbours(), FACTS);
    const { digest, manifest, signature } = built;
    expect(await verifyPackage(new Map([...built.files].reverse()))).toEqual({ type: 'intact', manifest, signature, digest, signedBy: null });
  });

  it('notices any changed byte of any file', async () => {
    const built = buildPackage(neighbours(), FACTS);
    for (const [path, bytes] of built.files) {
      // every byte of the small files, a spread of the graph's
      const step = Math.max(1, Math.floor(bytes.byteLength / 400));
      for (let offset = 0; offset < bytes.byteLength; offset += step) {
        const files = copyFiles(built);
        files.get(path)![offset]! ^= 1;
        const verified = await verifyPackage(files);
        if (verified.type !== 'damaged') throw new Error(`A flipped bit at ${offset} of ${path} goes unnoticed.`);
      }
    }
    const files = copyFiles(built);
    files.get('model.onnx')![200]! ^= 1;
    await expectDamaged(files, 'wrong_digest', 'model.onnx');
  });

  it.each([...CONTENT, 'manifest.json'])('notices that %s is missing', async (path) => {
    const files = copyFiles(buildPackage(dense(), FACTS));
    files.delete(path);
    await expectDamaged(files, 'missing_file', path);
  });

  it('notices a file too many', async () => {
    const files = copyFiles(buildPackage(dense(), FACTS)).set('../evil.js', Uint8Array.of(1));
    await expectDamaged(files, 'unexpected_file', '../evil.js');
  });

  it('notices a file that was cut off', async () => {
    const files = copyFiles(buildPackage(dense(), FACTS));
    files.set('model.onnx', files.get('model.onnx')!.subarray(0, 100));
    await expectDamaged(files, 'wrong_size', 'model.onnx');
  });

  const entries = () => buildPackage(dense(), FACTS).manifest.files;
  const entriesWith = (change: object) => entries().map((file) => ({ ...file, ...change }));
  const manifests: Array<[string, () => Uint8Array]> = [
    ['no JSON', () => Uint8Array.of(0xff, 0xfe)],
    ['null', () => json(null)],
    ['of another format', () => json({ files: entries(), formatVersion: 4 })],
    ['empty', () => json({ files: [], formatVersion: 2 })],
    ['of negative sizes', () => json({ files: entriesWith({ sizeBytes: -1 }), formatVersion: 2 })],
    ['pointing outside', () => json({ files: entriesWith({ path: '../../etc/passwd' }), formatVersion: 2 })],
    ['listing one file four times', () => json({ files: entries().map(() => entries()[0]), formatVersion: 2 })],
    ['with a member too many', () => json({ files: entries(), formatVersion: 2, run: 'rm -rf' })],
    ['spelled differently', () => new TextEncoder().encode(JSON.stringify({ files: entries(), formatVersion: 2 }))],
    ['enormous', () => new Uint8Array(1_000_000).fill(0x20)],
  ];

  it.each(manifests)('refuses a manifest that is %s', async (_, bytes) => {
    const files = copyFiles(buildPackage(dense(), FACTS)).set('manifest.json', bytes());
    await expectDamaged(files, 'invalid_manifest', 'manifest.json');
  });

  it('notices a package exchanged as a whole when its digest is known', async () => {
    const other = buildPackage(neighbours(), FACTS);
    const { digest } = buildPackage(dense(), FACTS);
    const verified = await verifyPackage(other.files, { digest });
    expect(verified).toMatchObject({ type: 'damaged', problems: [{ code: 'wrong_package' }] });
    await expect(loadModel(other.files, { digest })).rejects.toBeInstanceOf(DamagedPackageError);
  });

  const signatures: Array<[string, (signature: ModelPackage['signature']) => unknown]> = [
    ['no object', () => 7],
    ['without inputs', (signature) => ({ ...signature, inputs: [] })],
    ['with an input twice', (signature) => ({ ...signature, inputs: [signature.inputs[0], signature.inputs[0]] })],
    ['of a task that its output is not', (signature) => ({ ...signature, task: 'regression' })],
    [
      'whose missing mark is a category',
      ({ graph, ...signature }) => {
        const missingCategory = signature.inputs.flatMap((input) => input.categories ?? [])[0];
        return { ...signature, graph: { ...graph, missingCategory } };
      },
    ],
  ];

  it.each(signatures)('refuses a signature that is %s though the digests fit', async (_, change) => {
    const built = buildPackage(dense(), FACTS);
    const files = replaceFile(built, 'signature.json', json(change(built.signature)));
    await expectDamaged(files, 'invalid_signature', 'signature.json');
  });
});

describe('loadModel', () => {
  it('refuses a graph that is not the one of the signature though the digests fit', async () => {
    const built = buildPackage(dense(), FACTS);
    const other = buildPackage(randomDense({ ...shape, classes: 4 }, []), FACTS);
    const files = replaceFile(built, 'model.onnx', other.files.get('model.onnx')!);
    const expected = { code: 'UNAVAILABLE', problems: [{ code: 'graph_mismatch' }] };
    await expect(loadModel(files)).rejects.toMatchObject(expected);
  });

  it('refuses bytes that are no graph though the digests fit', async () => {
    const files = replaceFile(buildPackage(dense(), FACTS), 'model.onnx', new Uint8Array(500).fill(7));
    const expected = { code: 'UNAVAILABLE', problems: [{ code: 'invalid_graph' }] };
    await expect(loadModel(files)).rejects.toMatchObject(expected);
  });

  it('gives the signature and the digest of the package', async () => {
    const built = buildPackage(dense(), FACTS);
    const model = await loadModel(built.files, { digest: built.digest, threads: 2 });
    expect(model.signature).toEqual(built.signature);
    expect(model.digest).toBe(built.digest);
    await model.close();
  });
});

describe('the signature', () => {
  const features: FittedPipeline['features'] = [
    { name: 'shift', type: 'binary', categories: ['', 'night'], missingAllowed: true },
    { name: 'torque', type: 'number', min: 3, max: 76, mean: 40, scale: 10, fill: 39, missingAllowed: false },
  ];
  const classifier: FittedPipeline = {
    features,
    target: { name: 'failure', type: 'binary', classes: ['no', 'yes'] },
    estimator: {
      family: 'dense',
      layers: [
        { activation: 'softmax', inputs: 3, units: 2, kernel: new Float32Array(6), bias: new Float32Array(2) },
      ],
    },
  };
  const regressor: FittedPipeline = {
    features,
    target: { name: 'wear', type: 'number', mean: 0, scale: 1 },
    estimator: {
      family: 'knn',
      k: 1,
      weights: 'uniform',
      width: 3,
      rows: new Float64Array(3),
      targets: Float64Array.of(4),
    },
  };

  it('says what goes in and what comes out', () => {
    expect(buildPackage(classifier, FACTS).signature).toEqual({
      formatVersion: 1,
      task: 'classification',
      family: 'dense',
      inputs: [
        { name: 'shift', type: 'binary', required: false, categories: ['', 'night'] },
        { name: 'torque', type: 'number', required: true, min: 3, max: 76 },
      ],
      output: { name: 'failure', type: 'binary', classes: ['no', 'yes'] },
      graph: { missingCategory: '?', rowsPerCall: 4096 },
    });
    const { signature } = buildPackage(regressor, FACTS);
    expect(signature).toMatchObject({ task: 'regression', output: { name: 'wear', type: 'number' } });
  });

  it('bounds the rows of one call by the memory and the work they take', () => {
    const rowsPerCall = (pipeline: FittedPipeline) => buildPackage(pipeline, FACTS).signature.graph.rowsPerCall;
    const wide = randomDense(shape, [1000, 1000].map((units) => ({ units, activation: 'relu' })));
    expect(rowsPerCall(wide)).toBeLessThan(50);
    const far = randomNearestNeighbours(shape, { rows: 100_000, k: 3, weights: 'uniform' });
    expect(rowsPerCall(far)).toBe(1);
  });

  it('is described as one tensor per feature, in the order of the features', () => {
    expect(tensorMetadata(buildPackage(classifier, FACTS).signature)).toEqual({
      inputs: [
        { name: 'shift', datatype: 'BYTES', shape: [-1] },
        { name: 'torque', datatype: 'FP64', shape: [-1] },
      ],
      outputs: [
        { name: 'prediction', datatype: 'BYTES', shape: [-1] },
        { name: 'probabilities', datatype: 'FP32', shape: [-1, 2] },
      ],
    });
    const { outputs } = tensorMetadata(buildPackage(regressor, FACTS).signature);
    expect(outputs).toEqual([{ name: 'prediction', datatype: 'FP64', shape: [-1] }]);
  });
});

import { createHash, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { createRandom, randomDense, randomNearestNeighbours, randomTrees } from '../test/random-pipeline.ts';
import { chains, graph, linear, model } from '../test/foreign-model.ts';
import { agree } from './agreement.ts';
import { checkRows } from './check-rows.ts';
import type { FittedPipeline } from './fitted-pipeline.ts';
import { checkPackage } from './import-package.ts';
import { loadModel } from './loaded-model.ts';
import { SIGNATURE_FILE, signerOf, textToSign, writeSignature } from './manifest-signature.ts';
import { assemble, buildPackage, type ModelPackage, type PackageFiles, verifyPackage } from './model-package.ts';
import { archiveBytes, isArchive, readArchive, writeArchive } from './package-archive.ts';
import { tryPackage } from './try-package.ts';

interface Key {
  privateKey: KeyObject;
  publicKey: string;
  keyId: string;
}

function newKey(): Key {
  const { privateKey } = generateKeyPairSync('ed25519');
  const { x } = privateKey.export({ format: 'jwk' }) as { x: string };
  return { privateKey, publicKey: x, keyId: createHash('sha256').update(Buffer.from(x, 'base64url')).digest('hex').slice(0, 16) };
}

const ours = newKey();
const theirs = newKey();

function signedBy(built: Pick<ModelPackage, 'files'>, { privateKey, publicKey, keyId }: Key): Map<string, Uint8Array> {
  const signature = sign(null, textToSign(built.files.get('manifest.json')!), privateKey).toString('base64url');
  return new Map([...built.files, [SIGNATURE_FILE, writeSignature({ keyId, publicKey, signature })]]);
}

async function archived(files: PackageFiles): Promise<Buffer> {
  const entries = [...files].map(([name, content]) => ({ name, sizeBytes: content.byteLength, content }));
  const chunks: Uint8Array[] = [];
  for await (const chunk of writeArchive(entries)) chunks.push(chunk);
  expect(Buffer.concat(chunks).byteLength).toBe(archiveBytes(entries));
  return Buffer.concat(chunks);
}

const shape = { seed: 5, numbers: 2, categories: 2, classes: 3 };
const built = buildPackage(randomTrees(shape, 'boosted_trees', { trees: 2, leaves: 5 }), { metrics: { test: { accuracy: 1 } }, lineage: { runId: 'run_1' } });
const files = signedBy(built, ours);
const trust = { trusted: new Map([[ours.publicKey, 'Acme']]), acceptUntrusted: false };
const codes = (checked: { type: string; problems?: { code: string }[] }): string[] => checked.problems?.map(({ code }) => code) ?? [];

describe('a signature', () => {
  it('of the expected key passes, and stands beside the manifest without changing the package', async () => {
    expect(await verifyPackage(files, { digest: built.digest, signer: ours.publicKey })).toMatchObject({ type: 'intact', signedBy: { keyId: ours.keyId } });
    expect(signerOf(files)).toEqual({ keyId: ours.keyId, publicKey: ours.publicKey });
  });

  it.each<[string, string, (of: Map<string, Uint8Array>) => Map<string, Uint8Array>]>([
    ['is missing where one is expected', 'missing_signature', (of) => new Map([...of].filter(([path]) => path !== SIGNATURE_FILE))],
    ['is another’s', 'wrong_signature', () => signedBy(built, theirs)],
    ['is of another package', 'wrong_signature', (of) => of.set(SIGNATURE_FILE, signedBy(buildPackage(randomDense(shape, []), { metrics: {}, lineage: {} }), ours).get(SIGNATURE_FILE)!)],
    ['names another key than it holds', 'wrong_signature', (of) => of.set(SIGNATURE_FILE, Buffer.from(Buffer.from(of.get(SIGNATURE_FILE)!).toString().replace(ours.keyId, theirs.keyId)))],
    ['is no JSON', 'wrong_signature', (of) => of.set(SIGNATURE_FILE, Buffer.from('{'))],
    ['is a flood', 'wrong_signature', (of) => of.set(SIGNATURE_FILE, new Uint8Array(5_000))],
  ])('that %s keeps the package from loading', async (_what, code, change) => {
    const changed = change(new Map(files));
    expect(codes(await verifyPackage(changed, { signer: ours.publicKey }))).toEqual([code]);
    await expect(loadModel(changed, { signer: ours.publicKey })).rejects.toMatchObject({ name: 'DamagedPackageError' });
  });

  it('is asked of no package from before: the digest that was noted is enough', async () => {
    expect((await verifyPackage(built.files, { digest: built.digest })).type).toBe('intact');
  });
});

describe('an archive', () => {
  it('is the same for the same files, and gives them back', async () => {
    const bytes = await archived(files);
    expect((await archived(new Map([...files].reverse()))).equals(bytes)).toBe(true);
    expect(isArchive(bytes)).toBe(true);
    const read = readArchive(bytes);
    expect('files' in read && [...read.files].map(([path, content]) => [path, Buffer.from(content).toString('hex')])).toEqual(
      [...files].sort(([a], [b]) => (a < b ? -1 : 1)).map(([path, content]) => [path, Buffer.from(content).toString('hex')]),
    );
    expect(isArchive(model(linear()))).toBe(false);
  });

  it.each<[string, (bytes: Buffer) => Buffer]>([
    ['cut off', (bytes) => bytes.subarray(0, -600)],
    ['cut in a file', (bytes) => bytes.subarray(0, 700)],
    ['followed by something', (bytes) => Buffer.concat([bytes, Buffer.from('more')])],
    ['with one file twice', (bytes) => Buffer.concat([bytes.subarray(0, 512 * 4), bytes])],
    ['with a file that leads elsewhere', (bytes) => mended(bytes, (header) => header.write('../../etc/passwd\0', 0))],
    ['with a link', (bytes) => mended(bytes, (header) => header.write('2', 156))],
    ['with a size of another form', (bytes) => mended(bytes, (header) => header.writeUInt8(0x80, 124))],
    ['with a damaged header', (bytes) => Buffer.concat([Buffer.from('x'), bytes.subarray(1)])],
  ])('is refused when it is %s', async (_what, change) => {
    const read = readArchive(change(await archived(files)));
    expect('problem' in read && read.problem.code).toBe('invalid_archive');
  });

  /** The first header changed, its sum mended after it. */
  function mended(bytes: Buffer, change: (header: Buffer) => void): Buffer {
    const copy = Buffer.from(bytes);
    const header = copy.subarray(0, 512);
    change(header);
    header.fill(0x20, 148, 156);
    header.write(`${header.reduce((sum, byte) => sum + byte, 0).toString(8).padStart(6, '0')}\0 `, 148);
    return copy;
  }
});

describe('a package of another installation', () => {
  it('is taken by the word of a trusted key, or of nobody where that is said', async () => {
    expect(await checkPackage(files, trust)).toMatchObject({ type: 'fit', signer: { keyId: ours.keyId, isTrusted: true, name: 'Acme' }, metrics: { test: { accuracy: 1 } }, lineage: { runId: 'run_1' } });
    expect(codes(await checkPackage(signedBy(built, theirs), trust))).toEqual(['untrusted_key']);
    expect(codes(await checkPackage(built.files, trust))).toEqual(['unsigned']);
    expect(await checkPackage(signedBy(built, theirs), { ...trust, acceptUntrusted: true })).toMatchObject({ type: 'fit', signer: { isTrusted: false, name: null } });
    expect(await checkPackage(built.files, { ...trust, acceptUntrusted: true })).toMatchObject({ type: 'fit', signer: null });
  });

  it('is refused when a file was changed, whoever has signed it', async () => {
    for (const path of files.keys()) {
      const changed = new Map(files);
      const bytes = changed.get(path)!.slice();
      bytes[bytes.length >> 1]! ^= 1;
      changed.set(path, bytes);
      expect((await checkPackage(changed, { ...trust, acceptUntrusted: true })).type).toBe('refused');
    }
  });

  it('is refused for a signature too large to keep, and for text that no database keeps', async () => {
    const large = new Map(files).set('signature.json', Buffer.alloc(16 * 1024 * 1024 + 1, 0x20));
    expect(codes(await checkPackage(large, { ...trust, acceptUntrusted: true }))).toEqual(['signature_too_large']);
    for (const text of ['a\0', '\ud800']) {
      const named = { ...built.signature, output: { ...built.signature.output, name: text } };
      const ofSignature = assemble(named, built.files.get('model.onnx')!, { metrics: {}, lineage: {} });
      expect(await checkPackage(signedBy(ofSignature, ours), trust)).toMatchObject({ problems: [{ code: 'unfit_text', field: 'signature.json.output.name' }] });
      const ofLineage = assemble(built.signature, built.files.get('model.onnx')!, { metrics: {}, lineage: { spec: [{ name: text }] } });
      expect(await checkPackage(signedBy(ofLineage, ours), trust)).toMatchObject({ problems: [{ code: 'unfit_text', field: 'lineage.json.spec.0.name' }] });
    }
  });

  it('has as many rows in a call as its trees take on their longest ways, which are not too deep to be loaded', async () => {
    const packed = (levels: number) => signedBy(assemble({ ...built.signature, graph: { ...built.signature.graph, rowsPerCall: 4096 } }, model(chains(1, levels)), { metrics: {}, lineage: {} }), ours);
    expect(await checkPackage(packed(2_000), trust)).toMatchObject({ type: 'fit', modelPackage: { signature: { graph: { rowsPerCall: 1_000 } } } });
    expect(await checkPackage(packed(100), trust)).toMatchObject({ type: 'fit', modelPackage: { signature: { graph: { rowsPerCall: 4096 } } } });
    expect(codes(await checkPackage(packed(5_001), trust))).toEqual(['trees_too_deep']);
  });

  it('is refused for what its graph holds, also with a good signature', async () => {
    const body = graph({ nodes: [{ op: 'Identity', in: ['a'], out: ['b'] }], inputs: [{ name: 'a' }], outputs: [{ name: 'b' }] });
    const evil = assemble(built.signature, model(linear({ nodes: [{ op: 'Loop', in: ['x'], out: ['y'], attributes: { body: { g: body } } }] })), { metrics: {}, lineage: {} });
    expect(codes(await checkPackage(signedBy(evil, ours), trust))).toEqual(['operator']);
    const other = assemble(built.signature, model(linear()), { metrics: {}, lineage: {} });
    expect((await checkPackage(signedBy(other, ours), trust)).type).toBe('fit');
    return expect(tryPackage(other.files, undefined)).resolves.toMatchObject({ type: 'refused', problems: [{ code: 'load_failed' }] });
  });
});

it('what is exported and imported predicts just as before: random models of each kind', async () => {
  const random = createRandom(7);
  for (let seed = 1; seed <= 24; seed++) {
    const of = { seed, numbers: 1 + random.below(3), categories: random.below(3), classes: random.below(4) === 0 ? 0 : 2 + random.below(2) };
    const kinds: (() => FittedPipeline)[] = [
      () => randomDense(of, [{ units: 4, activation: 'relu' }]),
      () => randomTrees(of, 'boosted_trees', { trees: 3, leaves: 4 }),
      () => randomNearestNeighbours(of, { rows: 12, k: 3, weights: 'distance' }),
    ];
    const before = buildPackage(kinds[seed % 3]!(), { metrics: {}, lineage: {} });
    const read = readArchive(await archived(signedBy(before, ours)));
    if ('problem' in read) throw new Error(read.problem.message);
    const checked = await checkPackage(read.files, trust);
    if (checked.type !== 'fit') throw new Error(JSON.stringify(checked.problems));
    expect(checked.modelPackage.digest).toBe(before.digest);
    expect(await tryPackage(checked.modelPackage.files, undefined, { isTrusted: true })).toMatchObject({ type: 'works', agreement: { rows: 0 } });
    const [one, other] = [await loadModel(before.files), await loadModel(checked.modelPackage.files)];
    const rows = Array.from({ length: 5 }, () => Object.fromEntries(one.signature.inputs.map((input) => [input.name, input.type === 'number' ? random.between(-3, 3) : (input.categories?.[0] ?? '')])));
    const [left, right] = [checkRows(one.signature, rows), checkRows(other.signature, rows)];
    if (left.type !== 'valid' || right.type !== 'valid') throw new Error('rows');
    const target = one.signature.output.type === 'number' ? ({ type: 'number', scale: 1 } as const) : { ...one.signature.output, decision: undefined };
    expect(agree(await one.predict(left.rows), await other.predict(right.rows), target as never)).toMatchObject({ type: 'agrees', maxDifference: 0 });
    await one.close();
    await other.close();
  }
});

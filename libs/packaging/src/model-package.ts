import { createHash } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import { byPieces, DomainError, type Problem } from '@millrace/kernel';
import { z } from 'zod';
import { BACKGROUND_FILE, backgroundComplaint, type BackgroundRows } from './background.ts';
import { billOfMaterials, type PackageMaterials } from './bill-of-materials.ts';
import { canonicalJson, type JsonValue } from './canonical-json.ts';
import { assertDetector, type FittedDetector } from './fitted-detector.ts';
import { assertForecast, type FittedForecast } from './fitted-forecast.ts';
import { assertRecommender, type FittedRecommender } from './fitted-recommender.ts';
import { assertFitted, type FittedPipeline } from './fitted-pipeline.ts';
import { assertSurvival, type FittedSurvival } from './fitted-survival.ts';
import { type ManifestSignature, readSignature, SIGNATURE_FILE } from './manifest-signature.ts';
import { parseSignature, type Signature, signatureOf } from './signature.ts';
import { detectorSignature, writeDetector } from './write-detector.ts';
import { forecastSignature, writeForecast } from './write-forecast.ts';
import { writeModel } from './write-model.ts';
import { recommenderSignature, writeRecommender } from './write-recommender.ts';
import { survivalSignature, writeSurvival } from './write-survival.ts';

/** The files of a package by path. */
export type PackageFiles = ReadonlyMap<string, Uint8Array>;

/**
 * A model as data: `model.onnx`, `signature.json`, `metrics.json`, `lineage.json`, `bill-of-materials.json` and `manifest.json`
 * over them; `background.json` where there are background rows. Once it is signed, `manifest-signature.json` stands beside the manifest.
 */
export interface ModelPackage {
  files: Map<string, Uint8Array>;
  manifest: Manifest;
  signature: Signature;
  /** SHA-256 of `manifest.json` in hexadecimal, and so of the whole package */
  digest: string;
  /** all files together */
  sizeBytes: number;
  /** all files, one after another, through gzip */
  gzipBytes: number;
}

export interface Manifest {
  /** 1: packages from before, without a bill of materials; 3: with background rows */
  formatVersion: 1 | 2 | 3;
  /** every file but the manifest itself, sorted by path */
  files: Array<{ path: string; sha256: string; sizeBytes: number }>;
}

/** What is known of a model beside its graph; plain JSON, kept as given. */
export interface PackageFacts {
  metrics: { [name: string]: JsonValue | undefined };
  lineage: { [name: string]: JsonValue | undefined };
  /** what it was made with and of; only what this lib itself knows if left out */
  materials?: PackageMaterials;
  /** what explanations compare with; none if left out or empty */
  background?: BackgroundRows;
}

export type VerifiedPackage =
  | { type: 'intact'; manifest: Manifest; signature: Signature; digest: string; signedBy: ManifestSignature | null }
  | { type: 'damaged'; problems: Problem[] };

/** Thrown for a package that must not be loaded. `problems` says why, file by file. */
export class DamagedPackageError extends DomainError {
  readonly problems: Problem[];

  constructor(problems: Problem[], cause?: unknown) {
    super('UNAVAILABLE', `The model package is damaged: ${problems.map((problem) => problem.message).join(' ')}`, {
      remedy: REMEDY,
      cause,
    });
    this.name = 'DamagedPackageError';
    this.problems = problems;
  }
}

const MANIFEST = 'manifest.json';
const BILL = 'bill-of-materials.json';
const CONTENT = [BACKGROUND_FILE, BILL, 'lineage.json', 'metrics.json', 'model.onnx', 'signature.json'] as const;
type ContentPath = (typeof CONTENT)[number];
const PLAIN = CONTENT.filter((path) => path !== BACKGROUND_FILE);
/** By format version, sorted. */
const contentOf: Record<Manifest['formatVersion'], readonly ContentPath[]> = { 1: PLAIN.filter((path) => path !== BILL), 2: PLAIN, 3: CONTENT };
/** A manifest has six short entries; more than this is not a manifest and is not parsed. */
const MAX_MANIFEST_BYTES = 16 * 1024;
const REMEDY = 'Restore the package from a backup, or publish the version again.';

const manifestSchema = z.strictObject({
  formatVersion: z.union([z.literal(1), z.literal(2), z.literal(3)]),
  files: z
    .array(
      z.strictObject({
        path: z.enum(CONTENT),
        sha256: z.string().regex(/^[0-9a-f]{64}$/),
        sizeBytes: z.int().min(0),
      }),
    )
    .max(CONTENT.length),
});

/**
 * Turns a trained pipeline into a package. The same input gives the same bytes: no clock, no chance, keys sorted.
 * Throws `DomainError` (`INVALID`) for a pipeline whose parts do not fit, and for facts that JSON cannot hold.
 */
export function buildPackage(pipeline: FittedPipeline, facts: PackageFacts): ModelPackage {
  assertFitted(pipeline);
  const signature = signatureOf(pipeline);
  return assemble(signature, writeModel(pipeline, signature), facts);
}

/** As `buildPackage`, of a forecast: a table that is read at series and step. */
export function buildForecastPackage(forecast: FittedForecast, facts: PackageFacts): ModelPackage {
  assertForecast(forecast);
  const signature = forecastSignature(forecast);
  return assemble(signature, writeForecast(forecast, signature), facts);
}

/** As `buildPackage`, of a recommender. */
export function buildRecommenderPackage(recommender: FittedRecommender, facts: PackageFacts): ModelPackage {
  assertRecommender(recommender);
  const signature = recommenderSignature(recommender);
  return assemble(signature, writeRecommender(recommender, signature), facts);
}

/** As `buildPackage`, of a survival model: median, interval, and the probability to live beyond a horizon. */
export function buildSurvivalPackage(model: FittedSurvival, facts: PackageFacts): ModelPackage {
  assertSurvival(model);
  const signature = survivalSignature(model);
  return assemble(signature, writeSurvival(model, signature), facts);
}

/** As `buildPackage`, of a detector of anomalies. */
export function buildDetectorPackage(detector: FittedDetector, facts: PackageFacts): ModelPackage {
  assertDetector(detector);
  const signature = detectorSignature(detector);
  return assemble(signature, writeDetector(detector, signature), facts);
}

/** A package of a graph that was written elsewhere and has passed the checks of `import-onnx.ts`. */
export function assemble(signature: Signature, model: Uint8Array, facts: PackageFacts): ModelPackage {
  const hasBackground = facts.background !== undefined && facts.background.length > 0;
  const background = canonicalJson({ formatVersion: 1, rows: (facts.background ?? []).map((row) => [...row]) }, 'background');
  const complaint = hasBackground ? backgroundComplaint(background, signature) : null;
  if (typeof complaint === 'string') throw new DomainError('INVALID', `The background of the model ${complaint}`, { field: 'background' });
  return packed(signature, {
    ...(hasBackground ? { [BACKGROUND_FILE]: background } : {}),
    [BILL]: canonicalJson(billOfMaterials(facts.materials ?? {}), 'materials'),
    'lineage.json': canonicalJson(facts.lineage, 'lineage'),
    'metrics.json': canonicalJson(facts.metrics, 'metrics'),
    'model.onnx': model,
    'signature.json': signatureBytes(signature),
  });
}

/** The same package, whose graph is given no more rows at a time than this. A package that is as old as to have no bill gets an empty one. */
export function withRowsPerCall({ files, signature }: ModelPackage, rowsPerCall: number): ModelPackage {
  const changed: Signature = { ...signature, graph: { ...signature.graph, rowsPerCall } };
  const background = files.get(BACKGROUND_FILE);
  const kept = {
    ...(Object.fromEntries(PLAIN.map((path) => [path, files.get(path) ?? canonicalJson(billOfMaterials({}), 'materials')])) as PackedContent),
    ...(background ? { [BACKGROUND_FILE]: background } : {}),
  };
  return packed(changed, { ...kept, 'signature.json': signatureBytes(changed) });
}

type PackedContent = Record<Exclude<ContentPath, typeof BACKGROUND_FILE>, Uint8Array> & { [BACKGROUND_FILE]?: Uint8Array };

function packed(signature: Signature, content: PackedContent): ModelPackage {
  const formatVersion = content[BACKGROUND_FILE] ? 3 : 2;
  const manifest: Manifest = {
    formatVersion,
    files: contentOf[formatVersion].map((path) => ({ path, sha256: sha256(content[path]!), sizeBytes: content[path]!.byteLength })),
  };
  const manifestBytes = canonicalJson(asJson(manifest), 'manifest');
  const files = new Map<string, Uint8Array>([[MANIFEST, manifestBytes], ...contentOf[formatVersion].map((path) => [path, content[path]!] as const)]);
  return packageOf(files, { manifest, signature, digest: sha256(manifestBytes) });
}

/** `signature.json` */
export const signatureBytes = (signature: Signature): Uint8Array => canonicalJson(asJson(signature), 'signature');

/** A package that was verified, as one that was built: without the signature, which is added when it is stored. */
export function packageOf(files: PackageFiles, { manifest, signature, digest }: Pick<ModelPackage, 'manifest' | 'signature' | 'digest'>): ModelPackage {
  const content = new Map([...files].filter(([path]) => path !== SIGNATURE_FILE));
  const all = Buffer.concat([...content.values()]);
  return { files: content, manifest, signature, digest, sizeBytes: all.byteLength, gzipBytes: gzipSync(all).byteLength };
}

export interface VerifyOptions {
  /** as noted when the package was published: without it, files exchanged together with their manifest pass */
  digest?: string;
  /** the public key that must have signed it; a package may be unsigned if left out, but a signature must be true */
  signer?: string;
}

/** Checks that the files are those of one package, byte for byte. A large one does not hold the thread. */
export async function verifyPackage(files: PackageFiles, options: VerifyOptions = {}): Promise<VerifiedPackage> {
  const manifest = readManifest(files.get(MANIFEST));
  if ('problem' in manifest) return { type: 'damaged', problems: [manifest.problem] };

  const problems: Problem[] = [];
  if (options.digest !== undefined && options.digest !== manifest.digest) {
    problems.push(damage('wrong_package', MANIFEST, 'is not the manifest that was noted at publication.'));
  }
  for (const path of files.keys()) {
    if (path === MANIFEST || path === SIGNATURE_FILE || manifest.value.files.some((file) => file.path === path)) continue;
    problems.push(damage('unexpected_file', path, 'is not listed in the manifest.'));
  }
  for (const { path, sizeBytes, sha256: expected } of manifest.value.files) {
    const bytes = files.get(path);
    if (bytes === undefined) problems.push(damage('missing_file', path, 'is missing.'));
    else if (bytes.byteLength !== sizeBytes) {
      problems.push(damage('wrong_size', path, `has ${bytes.byteLength} bytes instead of ${sizeBytes}.`));
    } else if ((await digestOf(bytes)) !== expected) {
      problems.push(damage('wrong_digest', path, 'was changed: its SHA-256 is not the one in the manifest.'));
    }
  }
  const signedBy = checkSignature(files, options.signer, problems);
  if (problems.length > 0) return { type: 'damaged', problems };

  const parsed = parseSignature(readJson(files.get('signature.json')));
  if ('complaint' in parsed) {
    const complaint = `is no signature: ${parsed.complaint.slice(0, 1000)}`;
    return { type: 'damaged', problems: [damage('invalid_signature', 'signature.json', complaint)] };
  }
  const background = files.get(BACKGROUND_FILE);
  const complaint = background && backgroundComplaint(background, parsed.signature);
  if (typeof complaint === 'string') return { type: 'damaged', problems: [damage('invalid_background', BACKGROUND_FILE, complaint)] };
  return { type: 'intact', manifest: manifest.value, signature: parsed.signature, digest: manifest.digest, signedBy };
}

function checkSignature(files: PackageFiles, signer: string | undefined, problems: Problem[]): ManifestSignature | null {
  const file = files.get(SIGNATURE_FILE);
  if (file === undefined) {
    if (signer !== undefined) problems.push(damage('missing_signature', SIGNATURE_FILE, 'is missing.'));
    return null;
  }
  const read = readSignature(file, files.get(MANIFEST)!, signer);
  if ('signature' in read) return read.signature;
  problems.push(damage('wrong_signature', SIGNATURE_FILE, read.complaint));
  return null;
}

/** A damage as a problem: `field` is the path of the file. */
export function damage(code: string, path: string, complaint: string): Problem {
  return { code, field: path, message: `${path.slice(0, 100)} ${complaint}`, remedy: REMEDY };
}

function readManifest(bytes: Uint8Array | undefined): { value: Manifest; digest: string } | { problem: Problem } {
  if (bytes === undefined) return { problem: damage('missing_file', MANIFEST, 'is missing.') };
  if (bytes.byteLength > MAX_MANIFEST_BYTES) {
    return { problem: damage('invalid_manifest', MANIFEST, `has ${bytes.byteLength} bytes, too many for a manifest.`) };
  }
  const parsed = manifestSchema.safeParse(readJson(bytes));
  if (!parsed.success) {
    return { problem: damage('invalid_manifest', MANIFEST, `is no manifest: ${z.prettifyError(parsed.error)}`) };
  }
  // Nothing vouches for the manifest's own bytes, so any other spelling of the same content counts as a change.
  const { formatVersion } = parsed.data;
  const value: Manifest = { formatVersion, files: parsed.data.files };
  const content = contentOf[formatVersion];
  const isSorted = value.files.length === content.length && value.files.every((file, index) => file.path === content[index]);
  if (!isSorted || !Buffer.from(canonicalJson(asJson(value), 'manifest')).equals(bytes)) {
    return { problem: damage('invalid_manifest', MANIFEST, 'is not written as Millrace writes it.') };
  }
  return { value, digest: sha256(bytes) };
}

function readJson(bytes: Uint8Array | undefined): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch {
    return undefined;
  }
}

/** Interfaces have no index signature, so the compiler cannot see that these are plain JSON. */
function asJson(value: Signature | Manifest): JsonValue {
  return value as unknown as JsonValue;
}

/** SHA-256 in hexadecimal. */
async function digestOf(bytes: Uint8Array): Promise<string> {
  const hash = createHash('sha256');
  await byPieces(bytes.byteLength, (from, to) => hash.update(bytes.subarray(from, to)));
  return hash.digest('hex');
}

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

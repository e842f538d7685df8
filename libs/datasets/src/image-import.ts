import { createHash } from 'node:crypto';
import path from 'node:path';
import { createPictureThreads, lookAside, type PictureAnswer } from '@millrace/images';
import { profileColumn } from './column-profile.ts';
import { readImageArchive } from './image-archive.ts';
import { shownBroken, shownClasses, type ImageSummary } from './image-summary.ts';
import { warnAboutImages, type SeenImage } from './image-warnings.ts';
import { literal, withTableEngine, type TableEngine } from './table-engine.ts';
import type { ColumnProfile, ColumnType, FileLimits, FileProblem, FileWarning } from './table-file.ts';
import { typesKey } from './types-key.ts';

export interface ImageImport {
  columns: ColumnProfile[];
  rowCount: number;
  delimiter: null;
  warnings: FileWarning[];
}

export type ImageImportOutcome = { type: 'parsed'; inspected: ImageImport } | { type: 'rejected'; problems: FileProblem[] };

/** Pixels of one picture: some seconds of decoding. */
const maxPixels = 2 ** 24;
/** Several times what the largest takes where there is nothing else to do. */
const usualPictureMs = 60_000;
const archiveLimits = { maxEntries: 200_000, maxImageBytes: 16 * 2 ** 20, maxTotalBytes: 8 * 2 ** 30 };
/** Longest side of the small pictures that are shown. */
const thumbnailSide = 64;
/** Bytes of pictures that are held until they are written. */
const bytesOfPart = 32 * 2 ** 20;
const rowsOfPart = 2048;

/** What every data set of pictures consists of. `thumbnail` is for showing only: no type names it. */
const columnTypes = { path: 'text', image: 'image', label: 'category' } as const satisfies Record<string, ColumnType>;

/**
 * Zip archives of PNG and JPEG pictures in folders, one folder a class, as one table: `path`, `image` (the file as it came)
 * and `label`. Every picture is decoded once, a large one in a thread of its own: a broken one is named and left out, one
 * that takes too much time or memory refuses the archive, and of each a small one is kept to show.
 */
export async function importImages(sources: readonly string[], target: string, limits: FileLimits, overrides: Readonly<Record<string, ColumnType>>, signal?: AbortSignal, pictureMs = usualPictureMs): Promise<ImageImportOutcome> {
  const wrongTypes = checkTypes(overrides);
  if (wrongTypes.length > 0) return { type: 'rejected', problems: wrongTypes };
  const threads = createPictureThreads({ threads: 1, milliseconds: pictureMs });
  return withTableEngine({ files: [target], memoryMb: limits.memoryMb, threads: limits.threads, signal }, async (engine): Promise<ImageImportOutcome> => {
    const writer = createWriter(engine);
    const seen: SeenImage[] = [];
    const broken: ImageSummary['broken'] = [];
    const leftOut = { withoutFolder: [] as string[], others: [] as string[] };
    for (const source of sources) {
      const read = await readImageArchive(source, archiveLimits, async ({ path: name, label, bytes, fault }) => {
        if (seen.length >= limits.maxRows) return null;
        // Small ones hold the thread for some milliseconds each; others come in between.
        await new Promise((resolve) => setImmediate(resolve));
        const look: PictureAnswer = bytes ? await lookAside(threads, { bytes, maxPixels, thumbnailSide }) : { type: 'broken', message: fault };
        if (!bytes || look.type === 'broken') {
          broken.push({ path: name.slice(0, 300), message: look.type === 'broken' ? look.message : fault });
          return null;
        }
        if (look.type !== 'seen') return costlyPicture(name, look.message);
        const { format, width, height, grey, thumbnail } = look;
        const sha256 = createHash('sha256').update(bytes).digest('hex');
        seen.push({ path: name, label, sha256, format, width, height, grey, bytes: bytes.length });
        await writer.add([name, bytes, label, thumbnail!], bytes.length);
        return null;
      }, signal);
      if (read.type === 'rejected') return read;
      leftOut.withoutFolder.push(...read.leftOut.withoutFolder);
      leftOut.others.push(...read.leftOut.others);
    }
    if (seen.length === 0) return { type: 'rejected', problems: [noImages(leftOut, broken)] };
    await writer.finish(target);
    const rowCount = seen.length;
    const [pathColumn, labelColumn] = await profileTexts(engine, target, rowCount);
    const image: ColumnProfile = { name: 'image', type: 'image', missing: 0, distinct: new Set(seen.map(({ sha256 }) => sha256)).size, flags: [], summary: summarise(seen, broken) };
    return { type: 'parsed', inspected: { columns: [pathColumn!, image, labelColumn!], rowCount, delimiter: null, warnings: warnAboutImages(seen, broken, leftOut) } };
  }).finally(() => threads.close());
}

/** Such a picture was made to hold the server up: nothing of its archive is taken. */
const costlyPicture = (picture: string, message: string): FileProblem => ({
  code: 'picture_too_costly', field: 'file', message: `The picture “${picture.slice(0, 300)}” cannot be decoded. ${message}`, remedy: 'Save it anew, smaller, or leave it out.',
});

function createWriter(engine: TableEngine) {
  const parts: string[] = [];
  let rows: (string | Uint8Array)[][] = [];
  let held = 0;
  const flush = async (): Promise<void> => {
    if (rows.length === 0) return;
    const part = path.join(engine.folder, `images-${parts.length}.parquet`);
    await engine.run('CREATE TABLE part (path VARCHAR, image BLOB, label VARCHAR, thumbnail BLOB)');
    await engine.append('part', rows);
    await engine.run(`COPY part TO ${literal(part)} (FORMAT parquet, COMPRESSION uncompressed, USE_TMP_FILE false)`);
    await engine.run('DROP TABLE part');
    parts.push(part);
    [rows, held] = [[], 0];
  };
  return {
    async add(row: (string | Uint8Array)[], bytes: number): Promise<void> {
      rows.push(row);
      held += bytes;
      if (held >= bytesOfPart || rows.length >= rowsOfPart) await flush();
    },
    /** Writes all rows to one Parquet file, each part as a group of rows, so that none is larger in memory than a part. */
    async finish(target: string): Promise<void> {
      await flush();
      const types = literal(JSON.stringify(columnTypes));
      await engine.run(`
        COPY (SELECT * FROM read_parquet([${parts.map(literal).join(', ')}])) TO ${literal(target)}
        (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 1, USE_TMP_FILE false, KV_METADATA {${typesKey}: ${types}})`);
    },
  };
}

async function profileTexts(engine: TableEngine, target: string, rowCount: number): Promise<ColumnProfile[]> {
  await engine.run(`CREATE TABLE typed AS SELECT path, label FROM read_parquet(${literal(target)})`);
  const profiles: ColumnProfile[] = [];
  for (const name of ['path', 'label'] as const) profiles.push(await profileColumn(engine, name, { name, type: columnTypes[name], rowCount }));
  await engine.run('DROP TABLE typed');
  return profiles;
}

function summarise(seen: readonly SeenImage[], broken: ImageSummary['broken']): ImageSummary {
  const range = (of: (image: SeenImage) => number): { min: number; max: number } =>
    seen.reduce(({ min, max }, image) => ({ min: Math.min(min, of(image)), max: Math.max(max, of(image)) }), { min: Infinity, max: 0 });
  const counts = new Map<string, number>();
  for (const { label } of seen) counts.set(label, (counts.get(label) ?? 0) + 1);
  return {
    kind: 'images',
    classes: [...counts].map(([label, count]) => ({ label, count })).sort((a, b) => b.count - a.count || (a.label < b.label ? -1 : 1)).slice(0, shownClasses),
    formats: { png: seen.filter(({ format }) => format === 'png').length, jpeg: seen.filter(({ format }) => format === 'jpeg').length },
    width: range(({ width }) => width),
    height: range(({ height }) => height),
    grey: seen.filter(({ grey }) => grey).length,
    bytes: seen.reduce((sum, { bytes }) => sum + bytes, 0),
    duplicates: seen.length - new Set(seen.map(({ sha256 }) => sha256)).size,
    broken: broken.slice(0, shownBroken),
    brokenCount: broken.length,
  };
}

function noImages({ withoutFolder }: { withoutFolder: string[] }, broken: ImageSummary['broken']): FileProblem {
  const [first] = broken;
  if (first) return { code: 'no_images', field: 'file', message: `None of the ${broken.length} pictures can be read. “${first.path}”: ${first.message}`, remedy: 'Save them as PNG or JPEG and pack them again.' };
  if (withoutFolder.length > 0) {
    return { code: 'no_classes', field: 'file', message: `The ${withoutFolder.length} pictures of the archive lie in no folder, so that their class isn’t known.`, remedy: 'Put the pictures of each class into a folder of its name, and pack the folders.' };
  }
  return { code: 'no_images', field: 'file', message: 'The archive holds no PNG or JPEG picture.', remedy: 'Pack folders of pictures, one for each class; unpack a table before it is uploaded.' };
}

function checkTypes(overrides: Readonly<Record<string, ColumnType>>): FileProblem[] {
  return Object.entries(overrides).flatMap(([name, type]): FileProblem[] => {
    if (!Object.hasOwn(columnTypes, name)) return [{ code: 'unknown_column', field: name, message: `The file has no column “${name}”.`, remedy: `Use one of: ${Object.keys(columnTypes).join(', ')}.` }];
    if (columnTypes[name as keyof typeof columnTypes] === type) return [];
    return [{ code: 'wrong_type', field: name, message: `The column “${name}” of a data set of pictures can’t be of type ${type}.`, remedy: `Leave it ${columnTypes[name as keyof typeof columnTypes]}.` }];
  });
}

import { decodeImage, fitImage, isGrey } from '@millrace/images';
import type { Pacer } from './pacer.ts';
import type { FittedImage } from './pipeline.ts';
import type { ImageColumn, Problem } from './table.ts';

/** All pictures of a column, decoded and brought to one size. */
export interface DecodedColumn {
  size: number;
  /** [rows, size, size, 3] row by row */
  colours: Uint8Array;
  /** per row: 1 where the picture has no colours */
  grey: Uint8Array;
}

/** Data sets hold no larger ones. */
const maxPixels = 2 ** 24;

/** Several models of a run look at the same pictures, mostly in one size. */
const known = new WeakMap<ImageColumn, Map<number, DecodedColumn>>();
/** Of all sizes of a column together; the one asked for last is held whatever it takes, which is checked at submission. */
const mostHeldBytes = 2 ** 30;

/** Null when the pacer said stop. */
export async function decodeColumn(column: ImageColumn, size: number, pacer: Pacer, mostBytes = mostHeldBytes): Promise<{ type: 'decoded'; pictures: DecodedColumn } | { type: 'failed'; problem: Problem } | null> {
  const bySize = known.get(column) ?? new Map<number, DecodedColumn>();
  known.set(column, bySize);
  const ready = bySize.get(size);
  if (ready) return { type: 'decoded', pictures: ready };
  // Before they are decoded: what is held and what is made count together.
  makeRoom(bySize, mostBytes - column.values.length * size * size * 3);
  const rows = column.values.length;
  const pictures: DecodedColumn = { size, colours: new Uint8Array(rows * size * size * 3), grey: new Uint8Array(rows) };
  for (const [row, bytes] of column.values.entries()) {
    if (!(await pacer.mayContinue())) return null;
    const decoded = bytes ? decodeImage(bytes, { maxPixels }) : null;
    if (decoded?.type !== 'decoded') {
      const message = decoded ? `The picture of row ${row + 1} cannot be read. ${decoded.message}` : `Row ${row + 1} has no picture.`;
      return { type: 'failed', problem: { field: 'inputFeatures[0].name', message, remedy: 'Make a new version of the data set without it.' } };
    }
    pictures.grey[row] = isGrey(decoded.pixels) ? 1 : 0;
    pictures.colours.set(fitImage(decoded.pixels, { width: size, height: size, channels: 3 }), row * size * size * 3);
  }
  bySize.set(size, pictures);
  return { type: 'decoded', pictures };
}

/** Forgets sizes, the longest held first, until the others take no more. */
function makeRoom(bySize: Map<number, DecodedColumn>, mostBytes: number): void {
  let held = [...bySize.values()].reduce((sum, { colours }) => sum + colours.length, 0);
  for (const [size, { colours }] of bySize) {
    if (held <= mostBytes) return;
    bySize.delete(size);
    held -= colours.length;
  }
}

/** Some rows as a model of these channels takes them: [rows, size, size, channels] row by row, 0 to 255. */
export function pixelsOf({ size, colours }: DecodedColumn, rows: Int32Array, { channels }: Pick<FittedImage, 'channels'>): Uint8Array {
  const length = size * size * 3;
  const pixels = new Uint8Array(rows.length * size * size * channels);
  rows.forEach((row, at) => {
    const data = colours.subarray(row * length, (row + 1) * length);
    pixels.set(fitImage({ width: size, height: size, channels: 3, data }, { width: size, height: size, channels }), at * size * size * channels);
  });
  return pixels;
}

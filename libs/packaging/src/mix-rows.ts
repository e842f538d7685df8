import { ValidatedRows } from './validated-rows.ts';
import { numbersOf, type Signature } from './signature.ts';

/** A row to be put together: of each input of the signature, 1 where it has the value of the row, 0 that of the reference. */
export interface RowMix {
  kept: Uint8Array;
  /** index of the row among the rows */
  row: number;
  /** index of a row among the references */
  reference: number;
}

/**
 * Puts rows together, input by input, from rows and from references: what fitted the signature still does. An input that is a
 * date brings all its parts.
 * @param rows of the signature, without picture and list; references are of the same signature
 */
export function mixRows({ inputs }: Signature, rows: ValidatedRows, references: ValidatedRows, mixes: readonly RowMix[]): ValidatedRows {
  const numberCount = rows.numbers.length / rows.count;
  const categoryCount = rows.categories.length / rows.count;
  const numbers = new Float64Array(mixes.length * numberCount);
  const categories = new Array<string>(mixes.length * categoryCount);
  mixes.forEach(({ kept, row, reference }, index) => {
    let number = 0;
    let category = 0;
    inputs.forEach((input, place) => {
      const [from, at] = kept[place] === 1 ? [rows, row] : [references, reference];
      for (let left = numbersOf(input); left > 0; left--, number++) numbers[index * numberCount + number] = from.numbers[at * numberCount + number]!;
      if (input.categories) categories[index * categoryCount + category] = from.categories[at * categoryCount + category++]!;
    });
  });
  return new ValidatedRows(mixes.length, rows.layout, numbers, categories);
}

/** A rectangle of a picture, in its pixels. */
export interface PictureRegion {
  x: number;
  y: number;
  width: number;
  height: number;
}

/**
 * Copies of a picture, each with some regions painted over.
 * @param row one row of a signature that is a picture
 * @param colour by channel
 * @param kept for each copy and region, 1 where the picture stays
 */
export function paintRegions({ inputs: [image] }: Signature, row: ValidatedRows, regions: readonly PictureRegion[], colour: readonly number[], kept: readonly Uint8Array[]): ValidatedRows {
  if (image?.type !== 'image') throw new Error('the signature has no picture');
  const size = row.pixels.length;
  const pixels = new Uint8Array(kept.length * size);
  kept.forEach((stays, index) => {
    const copy = pixels.subarray(index * size, (index + 1) * size);
    copy.set(row.pixels);
    regions.forEach(({ x, y, width, height }, region) => {
      if (stays[region] === 1) return;
      for (let line = y; line < y + height; line++) {
        for (let at = (line * image.width + x) * image.channels; at < (line * image.width + x + width) * image.channels; at++) copy[at] = colour[at % image.channels]!;
      }
    });
  });
  return new ValidatedRows(kept.length, row.layout, row.numbers, [], pixels);
}

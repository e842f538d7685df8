import type { ImageInput, PictureRegion, ValidatedRows } from '@millrace/packaging';

/** Regions along each side; fewer of a picture that is smaller still. */
const side = 6;

/** A picture divided into a grid of regions, line by line, as equal as whole pixels allow. */
export function regionsOf({ width, height }: ImageInput): { rows: number; columns: number; regions: PictureRegion[] } {
  const [rows, columns] = [Math.min(side, height), Math.min(side, width)];
  const edge = (at: number, parts: number, length: number) => Math.round((at * length) / parts);
  const regions = Array.from({ length: rows * columns }, (_, index): PictureRegion => {
    const [row, column] = [Math.floor(index / columns), index % columns];
    const [x, y] = [edge(column, columns, width), edge(row, rows, height)];
    return { x, y, width: edge(column + 1, columns, width) - x, height: edge(row + 1, rows, height) - y };
  });
  return { rows, columns, regions };
}

/** The mean of a picture by channel: what it is painted over with, as it gives least away. */
export function meanColour({ channels }: ImageInput, { pixels }: ValidatedRows): number[] {
  const sums = new Array<number>(channels).fill(0);
  pixels.forEach((value, at) => (sums[at % channels]! += value));
  return sums.map((sum) => Math.round((sum * channels) / pixels.length));
}

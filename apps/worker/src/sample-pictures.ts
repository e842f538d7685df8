import { decodeImage, fitImage } from '@millrace/images';
import type { FittedPipeline, Row, Table } from '@millrace/learning';
import { agreementRows, spread } from './sample-rows.ts';

/** The same rows as serving takes them and as the training engine does. */
export interface SampledRows {
  served: Record<string, unknown>[];
  learned: Row[] | Table;
}

/** As many as data sets take. */
const maxPixels = 2 ** 24;

/** Pictures to compare the engines on: those of test rows first, then others, of both from all over the table. Serving gets them decoded, at the model's size. */
export function samplePictures({ rows, pictures }: Table, image: NonNullable<FittedPipeline['image']>, testRows: Int32Array, most = agreementRows): SampledRows {
  const tested = new Set(testRows);
  const order = [...Array.from(spread(testRows.length, most), (place) => testRows[place]!), ...Array.from(spread(rows, most)).filter((row) => !tested.has(row))].slice(0, most);
  const files = order.map((row) => pictures!.values[row]!);
  const served = files.map((bytes) => {
    const decoded = decodeImage(bytes, { maxPixels });
    if (decoded.type === 'broken') throw new Error(`A picture that was learned from cannot be read: ${decoded.message}`);
    const { width, height, channels } = image;
    return { [image.name]: { width, height, channels, data: fitImage(decoded.pixels, image) } };
  });
  return { served, learned: { rows: files.length, columns: [], pictures: { name: image.name, type: 'image', values: files } } };
}

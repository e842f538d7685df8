import { decodeImage, fitImage, type Pixels, readImageHead } from '@millrace/images';
import type { RowProblem } from './check-rows.ts';
import type { ImageInput } from './signature.ts';

/** Pixels of one picture that is served: decoding holds the thread, and the model looks at few of them anyway. */
const maxPixels = 2 ** 22;
/** Pixels of all pictures of one request, unless told otherwise. */
export const maxTotalPixels = 2 ** 23;

export type PictureReading = { data: Uint8Array; pixels: number } | { problem: RowProblem };

/**
 * A picture as a caller sends it, brought to the model's size: `{"b64": …}` with a PNG or JPEG file, as TensorFlow Serving
 * has it, or pixels. `left`: pixels that the request may still have.
 */
export function readPicture(input: ImageInput, value: unknown, row: number, left: number): PictureReading {
  const refuse = (code: string, message: string, remedy: string): PictureReading => ({ problem: { row, field: input.name, code, message, remedy } });
  if (isPixels(value)) return { data: fitImage(value, input), pixels: value.width * value.height };
  const text = typeof value === 'object' && value !== null && Object.hasOwn(value, 'b64') ? (value as { b64: unknown }).b64 : undefined;
  const remedy = `Send "${input.name}" as {"b64": "…"} with the base64 text of a PNG or JPEG file.`;
  if (typeof text !== 'string' || Object.keys(value as object).length !== 1) return refuse('not_an_image', `Row ${row} has no picture for "${input.name}".`, remedy);
  if (!/^[\w+/-]+={0,2}$/.test(text)) return refuse('not_base64', `The picture "${input.name}" of row ${row} is no base64 text.`, remedy);
  const file = Buffer.from(text, 'base64');
  const head = readImageHead(file);
  const tooMany = (): PictureReading => refuse('too_many_pixels', 'The pictures of one request have too many pixels in all.', 'Send fewer at once, or smaller ones.');
  if (head && head.width * head.height <= maxPixels && head.width * head.height > left) return tooMany(); // before the work of decoding it
  const decoded = decodeImage(file, { maxPixels });
  if (decoded.type === 'broken') return refuse('broken_image', `The picture "${input.name}" of row ${row} cannot be read. ${decoded.message}`, `Send a whole PNG or JPEG file of at most ${maxPixels} pixels; the model looks at ${input.width} × ${input.height}.`);
  const pixels = decoded.pixels.width * decoded.pixels.height;
  return { data: fitImage(decoded.pixels, input), pixels };
}

/** Only our own code makes these: JSON has no bytes. */
function isPixels(value: unknown): value is Pixels {
  return typeof value === 'object' && value !== null && 'data' in value && value.data instanceof Uint8Array;
}

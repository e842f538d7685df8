import { decodeImage, fitImage, type Pixels, readImageHead } from '@millrace/images';
import type { RowProblem } from './row-problem.ts';
import { isBase64, lookOf, maxPicturePixels } from './sent-pictures.ts';
import type { ImageInput } from './signature.ts';

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
  if (!isBase64(text)) return refuse('not_base64', `The picture "${input.name}" of row ${row} is no base64 text.`, remedy);
  const tooMany = (): PictureReading => refuse('too_many_pixels', 'The pictures of one request have too many pixels in all.', 'Send fewer at once, or smaller ones.');
  const broken = (complaint: string): PictureReading =>
    refuse('broken_image', `The picture "${input.name}" of row ${row} cannot be read. ${complaint}`, `Send a whole PNG or JPEG file of at most ${maxPicturePixels} pixels; the model looks at ${input.width} × ${input.height}.`);
  const look = lookOf(value as object, input);
  if (look) return 'complaint' in look ? broken(look.complaint) : look.pixels > left ? tooMany() : look;
  const file = Buffer.from(text, 'base64');
  const head = readImageHead(file);
  if (head && head.width * head.height <= maxPicturePixels && head.width * head.height > left) return tooMany(); // before the work of decoding it
  const decoded = decodeImage(file, { maxPixels: maxPicturePixels });
  if (decoded.type === 'broken') return broken(decoded.message);
  return { data: fitImage(decoded.pixels, input), pixels: decoded.pixels.width * decoded.pixels.height };
}

/** Only our own code makes these: JSON has no bytes. */
function isPixels(value: unknown): value is Pixels {
  return typeof value === 'object' && value !== null && 'data' in value && value.data instanceof Uint8Array;
}

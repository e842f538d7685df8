import { createPictureThreads, type PictureLook, type PictureSize, readImageHead } from '@millrace/images';
import type { ImageInput, Signature } from './signature.ts';

/** Pixels of one picture that is served: the model looks at few of them anyway. */
export const maxPicturePixels = 2 ** 22;
/** Pixels of all pictures of one request, unless told otherwise. */
export const maxTotalPixels = 2 ** 23;
/** Bytes of all pictures of a request at the model's size. */
export const mostFitted = 2 ** 26;
/** Pixels of a request, as sent and as the model sees them, that are worked on without a thread: some tens of milliseconds. */
const mostHere = 2 ** 17;

/** What threads have made of pictures, under the objects that hold their texts; they go together. */
const looks = new WeakMap<object, { look: PictureLook; sizes: readonly PictureSize[] }>();

/** What was made of a picture for a model that looks at this size; null where nothing was. */
export function lookOf(picture: object, input: ImageInput): { pixels: number; data: Uint8Array } | { complaint: string } | null {
  const found = looks.get(picture);
  if (!found) return null;
  if (found.look.type === 'broken') return { complaint: found.look.message };
  const data = found.look.fitted[found.sizes.findIndex((size) => isSameSize(size, input))];
  return data ? { pixels: found.look.width * found.look.height, data } : null;
}

export interface PictureDesk {
  /**
   * Decodes the pictures in the body of a request, as base64 text of PNG or JPEG files, in threads, so that checking the rows
   * against one of these signatures needs not. What is wrong with a picture is told then. `busy`: too many requests wait.
   */
  prepare(body: unknown, signatures: readonly Signature[]): Promise<'ready' | 'busy'>;
  close(): Promise<void>;
}

export interface PictureDeskOptions {
  threads?: number;
  /** requests that wait for their next picture */
  waiting?: number;
  /** time for one picture: several times what the largest takes */
  milliseconds?: number;
}

/** Each request has one picture looked at at a time: one of many pictures doesn't keep the others waiting for all of them. */
export function createPictureDesk({ threads = 2, waiting = 64, milliseconds = 15_000 }: PictureDeskOptions = {}): PictureDesk {
  const pool = createPictureThreads({ threads, waiting, milliseconds });
  return {
    async prepare(body, signatures) {
      const sizes = sizesOf(signatures);
      if (sizes.length === 0) return 'ready';
      const pictures = picturesIn(body);
      const fitted = Math.max(...sizes.map(({ width, height, channels }) => width * height * channels));
      if (pictures.length * fitted > mostFitted) return 'ready'; // is refused by their number
      let [total, here] = [0, 0];
      for (const picture of pictures) {
        if (!isBase64(picture.b64)) continue;
        const bytes = Buffer.from(picture.b64, 'base64');
        const head = readImageHead(bytes);
        const pixels = head ? head.width * head.height : 0;
        if (pixels === 0 || pixels > maxPicturePixels) continue; // is refused by its head
        total += pixels;
        if (total > maxTotalPixels) break;
        if (here + pixels + fitted <= mostHere && bytes.length <= mostHere) {
          here += pixels + fitted;
          continue;
        }
        const look = await pool.look({ bytes, maxPixels: maxPicturePixels, sizes });
        if (look.type === 'busy') return 'busy';
        looks.set(picture, { look: look.type === 'stopped' ? { type: 'broken', message: look.message } : look, sizes });
      }
      return 'ready';
    },
    close: () => pool.close(),
  };
}

export const isBase64 = (text: unknown): text is string => typeof text === 'string' && /^[\w+/-]+={0,2}$/.test(text);

function sizesOf(signatures: readonly Signature[]): ImageInput[] {
  const found: ImageInput[] = [];
  for (const { inputs } of signatures) {
    for (const input of inputs) if (input.type === 'image' && !found.some((other) => isSameSize(other, input))) found.push(input);
  }
  return found;
}

const isSameSize = (one: PictureSize, other: PictureSize): boolean => one.width === other.width && one.height === other.height && one.channels === other.channels && one.shortSide === other.shortSide;

/** No protocol has them deeper. */
const deepest = 6;

/**
 * The `{"b64": …}` objects of a body, in its order. The texts of an Open Inference tensor of BYTES become such objects where they
 * stand: nothing else would tell two of the same text apart.
 */
function picturesIn(body: unknown): { b64: unknown }[] {
  const found: { b64: unknown }[] = [];
  const walk = (value: unknown, depth: number): void => {
    if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value) || depth > deepest) return;
    if (Array.isArray(value)) {
      if (typeof value[0] === 'number') return;
      for (const item of value as unknown[]) walk(item, depth + 1);
      return;
    }
    if (Object.hasOwn(value, 'b64')) found.push(value as { b64: unknown });
    if (Object.hasOwn(value, 'datatype') && (value as { datatype: unknown }).datatype === 'BYTES') wrapTexts((value as { data?: unknown }).data);
    for (const item of Object.values(value)) walk(item, depth + 1);
  };
  walk(body, 0);
  return found;
}

function wrapTexts(data: unknown): void {
  if (!Array.isArray(data)) return;
  for (const [at, item] of (data as unknown[]).entries()) {
    if (typeof item === 'string') data[at] = { b64: item };
    else wrapTexts(item);
  }
}

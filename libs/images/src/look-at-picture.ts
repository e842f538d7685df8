import { decodeImage, type ImageFormat } from './decode-image.ts';
import { makeThumbnail } from './encode-png.ts';
import { fitImage, type PictureSize } from './fit-image.ts';
import { isGrey } from './pixels.ts';

/** What is wanted of one PNG or JPEG file. */
export interface PictureTask {
  bytes: Uint8Array;
  maxPixels: number;
  /** sizes that it is brought to, as `fitImage` does */
  sizes?: readonly PictureSize[];
  /** longest side of a small PNG of it */
  thumbnailSide?: number;
}

export interface SeenPicture {
  type: 'seen';
  format: ImageFormat;
  width: number;
  height: number;
  grey: boolean;
  /** in the order of the sizes that were asked for: [height, width, channels] row by row */
  fitted: Uint8Array[];
  /** null where none was asked for */
  thumbnail: Uint8Array | null;
}

export type PictureLook = SeenPicture | { type: 'broken'; message: string };

/** Decodes a picture and makes of it what is wanted. Holds its thread for as long as that takes; never throws. */
export function lookAtPicture({ bytes, maxPixels, sizes = [], thumbnailSide }: PictureTask): PictureLook {
  const decoded = decodeImage(bytes, { maxPixels });
  if (decoded.type === 'broken') return decoded;
  const { format, pixels } = decoded;
  return {
    type: 'seen', format, width: pixels.width, height: pixels.height, grey: isGrey(pixels),
    fitted: sizes.map((size) => fitImage(pixels, size)),
    thumbnail: thumbnailSide === undefined ? null : makeThumbnail(pixels, thumbnailSide),
  };
}

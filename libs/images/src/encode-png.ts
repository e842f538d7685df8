import { PNG } from 'pngjs';
import { isGrey, type Pixels, withChannels } from './pixels.ts';
import { resizeImage } from './resize-image.ts';

/** Writes a picture as PNG, in grey where that loses nothing. */
export function encodePng(pixels: Pixels): Uint8Array {
  const { width, height, channels, data } = isGrey(pixels) ? withChannels(pixels, 1) : pixels;
  const png = new PNG({ width, height });
  png.data = Buffer.from(data);
  return PNG.sync.write(png, { colorType: channels === 1 ? 0 : 2, inputColorType: channels === 1 ? 0 : 2, bitDepth: 8, inputHasAlpha: false });
}

/** A small PNG of a picture, in its shape, no side longer than `side`. One that is small already keeps its size. */
export function makeThumbnail(pixels: Pixels, side: number): Uint8Array {
  const scale = Math.min(1, side / Math.max(pixels.width, pixels.height));
  return encodePng(resizeImage(pixels, Math.max(1, Math.round(pixels.width * scale)), Math.max(1, Math.round(pixels.height * scale))));
}

import { type Pixels, withChannels } from './pixels.ts';
import { resizeImage } from './resize-image.ts';

/**
 * A picture as a model takes it: stretched to its size, then in its channels. Training and serving both come here, so that
 * a model is asked with the very bytes that it would have learned from.
 */
export function fitImage(pixels: Pixels, { width, height, channels }: { width: number; height: number; channels: 1 | 3 }): Uint8Array {
  return withChannels(resizeImage(pixels, width, height), channels).data;
}

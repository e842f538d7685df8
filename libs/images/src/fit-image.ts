import { type Pixels, withChannels } from './pixels.ts';
import { resizeImage } from './resize-image.ts';

/** The size and channels in which a model looks at pictures. */
export interface PictureSize {
  width: number;
  height: number;
  channels: 1 | 3;
  /**
   * pictures keep their shape: their shorter side gets this many pixels, and the middle is cut out. At least as many as the
   * larger side of the model's size; stretched if left out
   */
  shortSide?: number | undefined;
}

/**
 * A picture as a model takes it: stretched or cut to its size, then in its channels; one of just its size is taken as it is.
 * Training and serving both come here, so that a model is asked with the very bytes that it would have learned from.
 */
export function fitImage(pixels: Pixels, { width, height, channels, shortSide }: PictureSize): Uint8Array {
  const isFitting = pixels.width === width && pixels.height === height;
  const fitted = shortSide === undefined || isFitting ? resizeImage(pixels, width, height) : cutMiddle(pixels, width, height, shortSide);
  return withChannels(fitted, channels).data;
}

/** As torchvision's `Resize` and `CenterCrop` count pixels: the longer side is cut off to a whole number, a half before the middle goes to the even place. */
function cutMiddle(pixels: Pixels, width: number, height: number, shortSide: number): Pixels {
  const longSide = Math.trunc((shortSide * Math.max(pixels.width, pixels.height)) / Math.min(pixels.width, pixels.height));
  const [wide, high] = pixels.width <= pixels.height ? [shortSide, longSide] : [longSide, shortSide];
  return resizeImage(pixels, wide, high, { x: halfOf(wide - width), y: halfOf(high - height), width, height });
}

function halfOf(rest: number): number {
  const half = Math.floor(rest / 2);
  return rest % 2 === 0 ? half : half + (half % 2);
}

import type { ConvolutionalSettings } from '@millrace/configuration';
import type { Random } from './random.ts';

export type Augmentation = ConvolutionalSettings['augmentation'];

/** Mean and deviation of each channel, in [0, 255]. */
export interface PixelScale {
  mean: Float32Array;
  scale: Float32Array;
}

/** Of all pictures of the training rows, [rows, places, channels]. */
export function pixelScaleOf(pixels: Uint8Array, channels: number): PixelScale {
  const count = pixels.length / channels;
  const [sums, squares] = [new Float64Array(channels), new Float64Array(channels)];
  for (let at = 0; at < pixels.length; at++) {
    const value = pixels[at]!;
    sums[at % channels]! += value;
    squares[at % channels]! += value * value;
  }
  const mean = Float32Array.from(sums, (sum) => sum / count);
  // A constant picture has no deviation to divide by.
  const scale = Float32Array.from(squares, (square, channel) => Math.max(1, Math.sqrt(Math.max(0, square / count - (sums[channel]! / count) ** 2))));
  return { mean, scale };
}

/** Pictures as the network takes them: `(pixel - mean) / scale`. */
export function standardise(pixels: Uint8Array, { mean, scale }: PixelScale): Float32Array {
  const channels = mean.length;
  const values = new Float32Array(pixels.length);
  for (let at = 0; at < pixels.length; at++) values[at] = Math.fround(pixels[at]! - mean[at % channels]!) / scale[at % channels]!;
  return values;
}

/**
 * One picture of `size` × `size`, changed at random and standardised: mirrored, rotated about its middle, shifted, made
 * lighter or darker. Pixels between pixels are interpolated, beyond the edge it goes on as at the edge. Each call draws as
 * many random numbers, whatever is asked for.
 */
export function augment(picture: Uint8Array, size: number, { mean, scale }: PixelScale, wanted: Augmentation, random: Random, target: Float32Array, offset: number): void {
  const channels = mean.length;
  const draw = (): number => 2 * random.uniform() - 1;
  const [flipX, flipY, angle, shiftX, shiftY, light] = [draw() > 0, draw() > 0, draw(), draw(), draw(), draw()];
  const mirrorX = wanted.flipHorizontal && flipX ? -1 : 1;
  const mirrorY = wanted.flipVertical && flipY ? -1 : 1;
  const radians = (angle * wanted.rotation * Math.PI) / 180;
  const [cos, sin] = [Math.cos(radians), Math.sin(radians)];
  const middle = (size - 1) / 2;
  const factor = 1 + light * wanted.brightness;
  for (let y = 0; y < size; y++) {
    for (let x = 0; x < size; x++) {
      // From where in the picture this pixel comes.
      const [fromX, fromY] = [x - middle - shiftX * wanted.shift * size, y - middle - shiftY * wanted.shift * size];
      const u = within((cos * fromX + sin * fromY) * mirrorX + middle, size);
      const v = within((cos * fromY - sin * fromX) * mirrorY + middle, size);
      const [left, top] = [Math.floor(u), Math.floor(v)];
      const [right, bottom] = [Math.min(size - 1, left + 1), Math.min(size - 1, top + 1)];
      const [du, dv] = [u - left, v - top];
      for (let channel = 0; channel < channels; channel++) {
        const at = (row: number, column: number): number => picture[(row * size + column) * channels + channel]!;
        const value = (1 - dv) * ((1 - du) * at(top, left) + du * at(top, right)) + dv * ((1 - du) * at(bottom, left) + du * at(bottom, right));
        target[offset + (y * size + x) * channels + channel] = (Math.min(255, value * factor) - mean[channel]!) / scale[channel]!;
      }
    }
  }
}

const within = (place: number, size: number): number => Math.min(size - 1, Math.max(0, place));

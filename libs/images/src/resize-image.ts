import type { Pixels } from './pixels.ts';

/** Where one pixel of the result comes from: pixels from `first` on, weighed by `weights`, which add up to 1. */
interface Contribution {
  first: number;
  weights: Float64Array;
}

/**
 * The picture in another size; its shape is stretched. Each pixel is the mean of those around it, weighed by a triangle as
 * wide as the larger of the two pixels: linear interpolation when it grows, without aliasing when it shrinks. All in
 * float64 and rounded once a direction, so that the same picture gives the same bytes everywhere.
 */
export function resizeImage(pixels: Pixels, width: number, height: number): Pixels {
  if (pixels.width === width && pixels.height === height) return pixels;
  const { channels } = pixels;
  const wide = contributions(pixels.width, width);
  const narrow = new Uint8Array(width * pixels.height * channels);
  for (let y = 0; y < pixels.height; y++) {
    for (let x = 0; x < width; x++) {
      const { first, weights } = wide[x]!;
      for (let channel = 0; channel < channels; channel++) {
        let sum = 0.5;
        for (let at = 0; at < weights.length; at++) sum += weights[at]! * pixels.data[(y * pixels.width + first + at) * channels + channel]!;
        narrow[(y * width + x) * channels + channel] = Math.min(255, sum);
      }
    }
  }
  const data = new Uint8Array(width * height * channels);
  const row = width * channels;
  contributions(pixels.height, height).forEach(({ first, weights }, y) => {
    for (let cell = 0; cell < row; cell++) {
      let sum = 0.5;
      for (let at = 0; at < weights.length; at++) sum += weights[at]! * narrow[(first + at) * row + cell]!;
      data[y * row + cell] = Math.min(255, sum);
    }
  });
  return { width, height, channels, data };
}

function contributions(from: number, to: number): Contribution[] {
  const scale = from / to;
  const radius = Math.max(1, scale);
  return Array.from({ length: to }, (_, place) => {
    const centre = (place + 0.5) * scale - 0.5;
    const first = Math.max(0, Math.ceil(centre - radius));
    const last = Math.min(from - 1, Math.floor(centre + radius));
    const weights = Float64Array.from({ length: last - first + 1 }, (_, at) => Math.max(0, 1 - Math.abs(first + at - centre) / radius));
    const total = weights.reduce((sum, weight) => sum + weight, 0);
    return { first, weights: weights.map((weight) => weight / total) };
  });
}

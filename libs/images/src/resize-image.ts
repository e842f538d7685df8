import type { Pixels } from './pixels.ts';

/** Where one pixel of the result comes from: pixels from `first` on, weighed by `weights`, which add up to 1. */
interface Contribution {
  first: number;
  weights: Float64Array;
}

/** A part of a picture, in its pixels. */
export interface PictureCut {
  x: number;
  y: number;
  width: number;
  height: number;
}

/** Pixels between the two directions: those of few pictures that are very long and narrow are more, and go the other way round. */
const mostBetween = 2 ** 24;

/**
 * The picture in another size; its shape is stretched. Each pixel is the mean of those around it, weighed by a triangle as
 * wide as the larger of the two pixels: linear interpolation when it grows, without aliasing when it shrinks. All in
 * float64 and rounded once a direction, so that the same picture gives the same bytes everywhere.
 * @param cut the part of the result that is wanted; all of it unless told. The rest is never made
 */
export function resizeImage(pixels: Pixels, width: number, height: number, cut: PictureCut = { x: 0, y: 0, width, height }): Pixels {
  const isWhole = cut.width === width && cut.height === height;
  if (isWhole && pixels.width === width && pixels.height === height) return pixels;
  const across = contributions(pixels.width, width, cut.x, cut.width);
  const down = contributions(pixels.height, height, cut.y, cut.height);
  const top = down[0]!.first;
  const lines = down.at(-1)!.first + down.at(-1)!.weights.length - top;
  if (cut.width * lines > mostBetween) return resizeAcross(resizeDown(pixels, down, 0), across, 0, cut.height);
  return resizeDown(resizeAcross(pixels, across, top, lines), down, top);
}

/** Of some of the lines, from `top` on. */
function resizeAcross({ width: from, channels, data: pixels }: Pixels, across: readonly Contribution[], top: number, lines: number): Pixels {
  const width = across.length;
  const data = new Uint8Array(width * lines * channels);
  for (let y = 0; y < lines; y++) {
    for (let x = 0; x < width; x++) {
      const { first, weights } = across[x]!;
      for (let channel = 0; channel < channels; channel++) {
        let sum = 0.5;
        for (let at = 0; at < weights.length; at++) sum += weights[at]! * pixels[((top + y) * from + first + at) * channels + channel]!;
        data[(y * width + x) * channels + channel] = Math.min(255, sum);
      }
    }
  }
  return { width, height: lines, channels, data };
}

/** Of a picture whose first line is line `top` of what the contributions speak of. */
function resizeDown({ width, channels, data: pixels }: Pixels, down: readonly Contribution[], top: number): Pixels {
  const row = width * channels;
  const data = new Uint8Array(row * down.length);
  down.forEach(({ first, weights }, y) => {
    for (let cell = 0; cell < row; cell++) {
      let sum = 0.5;
      for (let at = 0; at < weights.length; at++) sum += weights[at]! * pixels[(first - top + at) * row + cell]!;
      data[y * row + cell] = Math.min(255, sum);
    }
  });
  return { width, height: down.length, channels, data };
}

/** Of `count` pixels of the result, from `start` on. */
function contributions(from: number, to: number, start: number, count: number): Contribution[] {
  const scale = from / to;
  const radius = Math.max(1, scale);
  return Array.from({ length: count }, (_, place) => {
    const centre = (start + place + 0.5) * scale - 0.5;
    const first = Math.max(0, Math.ceil(centre - radius));
    const last = Math.min(from - 1, Math.floor(centre + radius));
    const weights = Float64Array.from({ length: last - first + 1 }, (_, at) => Math.max(0, 1 - Math.abs(first + at - centre) / radius));
    const total = weights.reduce((sum, weight) => sum + weight, 0);
    return { first, weights: weights.map((weight) => weight / total) };
  });
}

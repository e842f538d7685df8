import { inflateSync } from 'node:zlib';
import jpeg from 'jpeg-js';
import { PNG } from 'pngjs';
import type { Pixels } from './pixels.ts';

export type ImageFormat = 'png' | 'jpeg';

/** What the first bytes of a picture say. */
export interface ImageHead {
  format: ImageFormat;
  width: number;
  height: number;
}

export type DecodeOutcome = { type: 'decoded'; format: ImageFormat; pixels: Pixels } | { type: 'broken'; message: string };

const pngSignature = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a];

/** The format and size of a PNG or JPEG picture by its head; null if it is neither, or cut off before it says. */
export function readImageHead(bytes: Uint8Array): ImageHead | null {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (pngSignature.every((byte, at) => bytes[at] === byte)) {
    return bytes.length < 33 ? null : { format: 'png', width: view.getUint32(16), height: view.getUint32(20) };
  }
  if (bytes[0] !== 0xff || bytes[1] !== 0xd8) return null;
  for (let at = 2; at + 9 < bytes.length; ) {
    if (bytes[at] !== 0xff) return null;
    const marker = bytes[at + 1]!;
    if (marker === 0xff) at += 1;
    else if (isFrame(marker)) return { format: 'jpeg', width: view.getUint16(at + 7), height: view.getUint16(at + 5) };
    else at += 2 + view.getUint16(at + 2);
  }
  return null;
}

/** A start of frame: the markers between them are tables. */
const isFrame = (marker: number): boolean => marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker);

/**
 * Decodes a PNG or JPEG picture to red, green and blue; what is transparent shows white. Never throws, and takes no more
 * memory than `maxPixels` need, whatever the file says. A camera's note of how it was held (EXIF) is not followed.
 */
export function decodeImage(bytes: Uint8Array, { maxPixels }: { maxPixels: number }): DecodeOutcome {
  const head = readImageHead(bytes);
  if (!head) return { type: 'broken', message: 'It is no PNG or JPEG picture, or cut off.' };
  const { format, width, height } = head;
  if (width === 0 || height === 0) return { type: 'broken', message: 'It has no pixels.' };
  if (width * height > maxPixels) return { type: 'broken', message: `It has ${width} × ${height} pixels; ${maxPixels} are allowed in all.` };
  try {
    const { data, ...size } = format === 'png' ? decodePng(bytes, head) : decodeJpeg(bytes, maxPixels);
    if (size.width !== width || size.height !== height || data.length !== width * height * 4) return { type: 'broken', message: 'Its pixels do not fill its size.' };
    return { type: 'decoded', format, pixels: { width, height, channels: 3, data: onWhite(data) } };
  } catch {
    return { type: 'broken', message: 'It is damaged or cut off.' };
  }
}

function decodePng(bytes: Uint8Array, { width, height }: ImageHead): { width: number; height: number; data: Uint8Array } {
  // The library inflates interlaced pictures without a bound.
  if (bytes[28] === 1) inflateSync(imageData(bytes), { maxOutputLength: 8 * width * height + 8 * height + 1024 });
  return PNG.sync.read(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength));
}

/** The compressed pixels of a PNG file: its IDAT chunks, one after another. */
function imageData(bytes: Uint8Array): Uint8Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const parts: Uint8Array[] = [];
  for (let at = 8; at + 12 <= bytes.length; at += 12 + view.getUint32(at)) {
    if (view.getUint32(at + 4) === 0x49444154) parts.push(bytes.subarray(at + 8, at + 8 + view.getUint32(at)));
  }
  return Buffer.concat(parts);
}

/** A progressive picture has about ten; each of any number of empty ones would cost a walk over all blocks. */
const mostScans = 64;

function decodeJpeg(bytes: Uint8Array, maxPixels: number): { width: number; height: number; data: Uint8Array } {
  let scans = 0;
  for (let at = bytes.indexOf(0xff); at >= 0 && at + 1 < bytes.length; at = bytes.indexOf(0xff, at + 1)) if (bytes[at + 1] === 0xda) scans++;
  if (scans > mostScans) throw new Error('The picture has too many scans');
  return jpeg.decode(bytes, {
    useTArray: true, formatAsRGBA: true, tolerantDecoding: false, maxResolutionInMP: Math.max(1, maxPixels / 1e6), maxMemoryUsageInMB: 64 + (maxPixels * 24) / 2 ** 20,
  });
}

function onWhite(rgba: Uint8Array): Uint8Array {
  const rgb = new Uint8Array((rgba.length / 4) * 3);
  for (let from = 0, to = 0; from < rgba.length; from += 4, to += 3) {
    const alpha = rgba[from + 3]!;
    for (let channel = 0; channel < 3; channel++) {
      const value = rgba[from + channel]!;
      rgb[to + channel] = alpha === 255 ? value : (value * alpha + 255 * (255 - alpha) + 127) / 255;
    }
  }
  return rgb;
}

import { deflateSync } from 'node:zlib';
import jpeg from 'jpeg-js';
import { PNG } from 'pngjs';
import { decodeImage, encodePng, fitImage, isGrey, makeThumbnail, type Pixels, readImageHead, resizeImage, withChannels } from './index.ts';

const limits = { maxPixels: 1_000_000 };

function picture(width: number, height: number, colourAt: (x: number, y: number) => [number, number, number]): Pixels {
  const data = new Uint8Array(width * height * 3);
  for (let y = 0; y < height; y++) for (let x = 0; x < width; x++) data.set(colourAt(x, y), (y * width + x) * 3);
  return { width, height, channels: 3, data };
}

const ramp = picture(13, 7, (x, y) => [x * 19, y * 36, 255 - x * 10]);

function decoded(bytes: Uint8Array): Pixels {
  const outcome = decodeImage(bytes, limits);
  if (outcome.type === 'broken') throw new Error(outcome.message);
  return outcome.pixels;
}

test('a PNG gives back its pixels, grey or coloured', () => {
  expect(decoded(encodePng(ramp))).toEqual(ramp);
  const grey = picture(4, 3, (x, y) => [x * 60 + y, x * 60 + y, x * 60 + y]);
  expect([isGrey(grey), isGrey(ramp)]).toEqual([true, false]);
  expect(decoded(encodePng(grey))).toEqual(grey);
  expect(encodePng(grey)[25]).toBe(0); // colour type: grey
});

test('what is transparent shows white, 16 bits become 8, a palette its colours', () => {
  const png = new PNG({ width: 2, height: 1 });
  png.data = Buffer.from([10, 20, 30, 0, 10, 20, 30, 255]);
  expect([...decoded(PNG.sync.write(png)).data]).toEqual([255, 255, 255, 10, 20, 30]);
  const deep = pngOf({ width: 2, height: 1, depth: 16, colourType: 0, rows: [0, 0xff, 0xff, 0x80, 0x00] });
  expect([...decoded(deep).data]).toEqual([255, 255, 255, 128, 128, 128]);
  const palette = pngOf({ width: 4, height: 1, depth: 2, colourType: 3, rows: [0, 0b00_01_10_01], palette: [1, 2, 3, 4, 5, 6, 7, 8, 9] });
  expect([...decoded(palette).data]).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 4, 5, 6]);
});

test('a JPEG is read to within what its compression loses', () => {
  const smooth = picture(32, 24, (x, y) => [x * 8, y * 10, 128]);
  const rgba = Buffer.alloc(32 * 24 * 4, 255);
  for (let at = 0; at < 32 * 24; at++) rgba.set(smooth.data.subarray(at * 3, at * 3 + 3), at * 4);
  const bytes = jpeg.encode({ width: 32, height: 24, data: rgba }, 95).data;
  expect(readImageHead(bytes)).toEqual({ format: 'jpeg', width: 32, height: 24 });
  const back = decoded(bytes);
  const off = back.data.map((value, at) => Math.abs(value - smooth.data[at]!));
  expect(off.reduce((sum, value) => sum + value, 0) / off.length).toBeLessThan(3);
  expect(decodeImage(bytes.subarray(0, bytes.length / 2), limits).type).toBe('broken');
});

test('damage, other formats and bombs are refused without being unpacked', () => {
  const good = encodePng(ramp);
  const cut = decodeImage(good.subarray(0, good.length - 30), limits);
  const altered = Uint8Array.from(good);
  altered[45]! ^= 0xff;
  expect([cut.type, decodeImage(altered, limits).type]).toEqual(['broken', 'broken']);
  expect(decodeImage(Buffer.from('GIF89a, or so'), limits)).toMatchObject({ type: 'broken', message: expect.stringContaining('no PNG or JPEG') });
  expect(decodeImage(new Uint8Array(), limits).type).toBe('broken');
  const huge = pngOf({ width: 60_000, height: 60_000, depth: 8, colourType: 0, rows: [0] });
  expect(decodeImage(huge, limits)).toMatchObject({ type: 'broken', message: expect.stringContaining('60000 × 60000 pixels') });
  const rss = process.memoryUsage.rss();
  const interlaced = pngOf({ width: 8, height: 8, depth: 8, colourType: 0, interlace: 1, rows: new Uint8Array(200 * 2 ** 20) });
  expect(decodeImage(interlaced, limits).type).toBe('broken');
  expect(process.memoryUsage.rss() - rss).toBeLessThan(500 * 2 ** 20);
});

test('any bytes after a good head are decoded or refused, never thrown', () => {
  const bytes = jpeg.encode({ width: 16, height: 16, data: Buffer.alloc(1024, 90) }, 80).data;
  for (let at = 0; at < bytes.length; at += 7) {
    const altered = Uint8Array.from(bytes);
    altered[at]! ^= 0x55;
    expect(['decoded', 'broken']).toContain(decodeImage(altered, limits).type);
  }
});

test('resizing keeps flat colours flat, means means, and edges where they were', () => {
  const flat = picture(17, 5, () => [7, 130, 255]);
  for (const [width, height] of [[3, 3], [40, 9], [1, 1]] as const) {
    const { data } = resizeImage(flat, width, height);
    for (let at = 0; at < data.length; at += 3) expect([...data.subarray(at, at + 3)]).toEqual([7, 130, 255]);
  }
  const halves = picture(64, 64, (x) => (x < 32 ? [0, 0, 0] : [200, 200, 200]));
  const small = withChannels(resizeImage(halves, 8, 8), 1);
  expect([...small.data.subarray(0, 8)]).toEqual([0, 0, 0, expect.any(Number), expect.any(Number), 200, 200, 200]);
  expect(small.data[3]! + small.data[4]!).toBe(200);
  expect(resizeImage(ramp, 13, 7)).toBe(ramp);
});

test.each([
  [20, 11, 8, 14, 8, 4, 2],
  [11, 20, 9, 9, 16, 2, 6], // (9 - 6) / 2 and (16 - 4) / 2: a half goes to the even place
  [5, 4, 7, 8, 7, 1, 2],
] as const)('a picture of %d × %d that keeps its shape is brought to a shorter side of %d and cut in the middle', (width, height, shortSide, wide, high, x, y) => {
  const pixels = picture(width, height, (at, line) => [at * 11, line * 12, (at * line * 7) % 256]);
  const whole = resizeImage(pixels, wide, high);
  const cut = [0, 1, 2, 3].flatMap((line) => [...whole.data.subarray(((y + line) * wide + x) * 3, ((y + line) * wide + x + 6) * 3)]);
  expect([...fitImage(pixels, { width: 6, height: 4, channels: 3, shortSide })]).toEqual(cut);
});

test('a picture of the size that is wanted is taken as it is', () => {
  expect(fitImage(ramp, { width: 13, height: 7, channels: 3, shortSide: 20 })).toBe(ramp.data);
});

test('a picture that is one pixel wide and very high goes the way that takes little memory, to the same pixels', () => {
  const height = 2 ** 18;
  const line: Pixels = { width: 1, height, channels: 1, data: new Uint8Array(height).fill(200, height / 2) };
  const width = 80; // times the height: more than goes in between
  expect([...resizeImage(line, width, 2).data]).toEqual([...resizeImage(line, 1, 2).data].flatMap((value) => Array.from({ length: width }, () => value)));
  const middle = fitImage(line, { width: 4, height: 4, channels: 1, shortSide: 16 }); // of 2^22 lines
  // 1.5 / 16 of a line before the edge in the middle, and as much after it
  expect([...middle.subarray(0, 4), ...middle.subarray(12)]).toEqual([81, 81, 81, 81, 119, 119, 119, 119]);
});

test('grey is the luma of its colours', () => {
  const colours = picture(3, 1, (x) => [[255, 0, 0], [0, 255, 0], [0, 0, 255]][x] as [number, number, number]);
  expect([...withChannels(colours, 1).data]).toEqual([76, 150, 29]);
  expect([...withChannels(withChannels(colours, 1), 3).data.subarray(0, 3)]).toEqual([76, 76, 76]);
});

test('a thumbnail keeps the shape', () => {
  expect(readImageHead(makeThumbnail(picture(400, 100, () => [1, 2, 3]), 64))).toEqual({ format: 'png', width: 64, height: 16 });
  expect(readImageHead(makeThumbnail(ramp, 64))).toEqual({ format: 'png', width: 13, height: 7 });
});

interface RawPng {
  width: number;
  height: number;
  depth: number;
  colourType: number;
  interlace?: number;
  rows: Uint8Array | number[];
  palette?: number[];
}

function pngOf({ width, height, depth, colourType, interlace = 0, rows, palette }: RawPng): Uint8Array {
  const head = Buffer.alloc(13);
  head.writeUInt32BE(width, 0);
  head.writeUInt32BE(height, 4);
  head.set([depth, colourType, 0, 0, interlace], 8);
  return Buffer.concat([
    Buffer.from('\x89PNG\r\n\x1a\n', 'latin1'), chunk('IHDR', head), ...(palette ? [chunk('PLTE', Buffer.from(palette))] : []),
    chunk('IDAT', deflateSync(Uint8Array.from(rows))), chunk('IEND', Buffer.alloc(0)),
  ]);
}

function chunk(name: string, data: Uint8Array): Buffer {
  const body = Buffer.concat([Buffer.from(name), data]);
  const framed = Buffer.alloc(body.length + 8);
  framed.writeUInt32BE(data.length, 0);
  framed.set(body, 4);
  framed.writeInt32BE(crcOf(body), body.length + 4);
  return framed;
}

function crcOf(bytes: Uint8Array): number {
  let crc = -1;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  }
  return ~crc;
}

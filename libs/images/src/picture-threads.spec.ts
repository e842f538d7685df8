import { randomFillSync } from 'node:crypto';
import { createPictureThreads, decodeImage, encodePng, fitImage, makeThumbnail, type PictureThreads } from './index.ts';

let threads: PictureThreads;
const usual = { threads: 1, milliseconds: 60_000 };

afterEach(() => threads.close());

const noise = randomFillSync(new Uint8Array(900 * 600 * 3));
const large = encodePng({ width: 900, height: 600, channels: 3, data: noise });
const size = { width: 16, height: 16, channels: 1 } as const;
const task = { bytes: large, maxPixels: 2 ** 24, sizes: [size], thumbnailSide: 32 };

test('a thread says of a picture what this one would say, and leaves this one free meanwhile', async () => {
  threads = createPictureThreads(usual);
  await threads.look(task); // the thread is there
  const before = performance.eventLoopUtilization();
  const answers = await Promise.all([threads.look(task), threads.look(task)]);
  expect(performance.eventLoopUtilization(before).utilization).toBeLessThan(0.5);
  const decoded = decodeImage(large, task);
  if (decoded.type === 'broken') throw new Error(decoded.message);
  const expected = { type: 'seen', format: 'png', width: 900, height: 600, grey: false, fitted: [fitImage(decoded.pixels, size)], thumbnail: new Uint8Array(makeThumbnail(decoded.pixels, 32)) };
  expect(answers).toEqual([expected, expected]);
  expect(await threads.look({ bytes: Buffer.from('nothing'), maxPixels: 100 })).toMatchObject({ type: 'broken' });
});

test('a picture that takes too long or too much ends its thread, and the next one gets another', async () => {
  threads = createPictureThreads({ ...usual, milliseconds: 1 });
  expect(await threads.look(task)).toEqual({ type: 'stopped', message: 'It took more than 0.001 seconds to look at.' });
  expect(await threads.look(task)).toMatchObject({ type: 'stopped' });
});

test('those that wait are bounded, and end with the threads', async () => {
  threads = createPictureThreads({ ...usual, waiting: 1 });
  const looks = [threads.look(task), threads.look(task), threads.look(task)];
  const [first, second] = [looks[0]!, looks[1]!].map((look) => look.catch((error: Error) => error.message));
  await threads.close();
  expect(await second).toContain('closed');
  expect(await first).toContain('closed');
  expect(await looks[2]).toMatchObject({ type: 'busy' });
  await expect(threads.look(task)).rejects.toThrow('closed');
});

import { randomFillSync } from 'node:crypto';
import { encodePng } from '@millrace/images';
import { checkRows } from './check-rows.ts';
import { buildPackage } from './model-package.ts';
import { createPictureDesk, type PictureDesk } from './sent-pictures.ts';

const { signature } = buildPackage({
  features: [],
  image: { name: 'image', width: 4, height: 2, channels: 1 },
  target: { name: 'label', type: 'category', classes: ['good', 'scratch'] },
  estimator: { family: 'baseline', answer: Float64Array.of(0.5, 0.5) },
}, { metrics: {}, lineage: {} });

const picture = (width: number, height: number) => ({ b64: Buffer.from(encodePng({ width, height, channels: 3, data: randomFillSync(new Uint8Array(width * height * 3)) })).toString('base64') });
const large = picture(900, 600);
const rowsOf = (...pictures: unknown[]) => pictures.map((image) => ({ image }));

let desk: PictureDesk;
afterEach(() => desk.close());

test('large pictures are decoded aside, and then read as they would be here, for each version that wants them otherwise', async () => {
  desk = createPictureDesk();
  const cutting = { ...signature, inputs: signature.inputs.map((input) => ({ ...input, shortSide: 6 }) as typeof input) };
  const rows = rowsOf(large, picture(20, 10), { ...large });
  const expected = [signature, cutting].map((one) => checkRows(one, JSON.parse(JSON.stringify(rows))));
  expect(expected[1]).not.toEqual(expected[0]);
  await desk.prepare({ instances: rowsOf({ ...large }) }, [signature]); // the threads are there
  const before = performance.eventLoopUtilization();
  expect(await desk.prepare({ instances: rows }, [signature, cutting])).toBe('ready');
  expect(performance.eventLoopUtilization(before).utilization).toBeLessThan(0.5);
  expect([signature, cutting].map((one) => checkRows(one, rows))).toEqual(expected);
});

test('what takes too long is told of its row, and what an Open Inference tensor holds is found', async () => {
  desk = createPictureDesk({ milliseconds: 1 });
  const body = { inputs: [{ name: 'image', datatype: 'BYTES', shape: [2, 1], data: [['bm90aGluZw=='], [large.b64]] as unknown[][] }] };
  await desk.prepare(body, [signature]);
  const sent = body.inputs[0]!.data.flat();
  expect(sent).toEqual([{ b64: 'bm90aGluZw==' }, large]);
  expect(checkRows(signature, rowsOf(...sent))).toMatchObject({ type: 'invalid', problems: [
    { row: 0, code: 'broken_image', message: expect.stringContaining('no PNG or JPEG') },
    { row: 1, code: 'broken_image', message: expect.stringContaining('more than 0.001 seconds') },
  ] });
});

test('too many pixels in all are refused as they would be here; too many requests are put off', async () => {
  desk = createPictureDesk({ threads: 1, waiting: 0 });
  const many = rowsOf(...Array.from({ length: 16 }, () => large));
  const looking = desk.prepare({ instances: many }, [signature]);
  expect(await desk.prepare({ instances: rowsOf({ ...large }) }, [signature])).toBe('busy');
  await looking;
  expect(checkRows(signature, many)).toMatchObject({ type: 'invalid', problems: [{ row: 15, code: 'too_many_pixels' }] });
});

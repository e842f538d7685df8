import { encodePng } from '@millrace/images';
import { type DecodedColumn, decodeColumn } from './image-pixels.ts';
import { createPacer } from './pacer.ts';
import type { ImageColumn } from './table.ts';

const png = encodePng({ width: 3, height: 3, channels: 3, data: new Uint8Array(27).fill(90) });
const pacer = createPacer(undefined);

test('pictures are held decoded for as long as they fit, and the newest whatever they take', async () => {
  const column: ImageColumn = { name: 'image', type: 'image', values: [png, png] };
  const bytes = (size: number) => 2 * size * size * 3;
  const decoded = async (size: number): Promise<DecodedColumn> => {
    const outcome = await decodeColumn(column, size, pacer, bytes(8) + bytes(4));
    if (outcome?.type !== 'decoded') throw new Error('not decoded');
    return outcome.pictures;
  };
  const [four, eight] = [await decoded(4), await decoded(8)];
  expect([await decoded(4) === four, await decoded(8) === eight]).toEqual([true, true]);
  const ten = await decoded(10); // more than all may take together
  expect(await decoded(10)).toBe(ten);
  expect([await decoded(8) === eight, await decoded(4) === four]).toEqual([false, false]);
});

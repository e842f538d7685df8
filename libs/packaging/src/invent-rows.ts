import type { Pixels } from '@millrace/images';
import type { ImageInput, Signature } from './signature.ts';

const triedRows = 8;

/** Rows that any model of this signature should have an answer to: the middle of each range and what lies around it. */
export function inventRows(signature: Signature): unknown[] {
  return Array.from({ length: triedRows }, (_, row) =>
    Object.fromEntries(
      signature.inputs.map((input, column): [string, unknown] => {
        if (input.type === 'image') return [input.name, inventPicture(input, row)];
        if (input.type === 'date') return [input.name, `2026-0${1 + (row % 9)}-15T06:00:00Z`];
        if (input.type === 'list') return [input.name, input.choices.slice(row, row + (row % 4))]; // of no single length
        if (input.type !== 'number') return [input.name, input.categories.length ? input.categories[(row + column) % input.categories.length]! : ''];
        const share = ((row * 5 + column * 3) % triedRows) / (triedRows - 1);
        const isOpen = input.max - input.min > 1e12;
        const value = isOpen ? Math.max(input.min, 0) + share : input.min + share * (input.max - input.min);
        return [input.name, input.closed ? Math.round(value) : value];
      }),
    ),
  );
}

/** A slope of grey or of colours, steeper from row to row; the first is flat. */
function inventPicture({ width, height, channels }: ImageInput, row: number): Pixels {
  const data = Uint8Array.from({ length: width * height * channels }, (_, at) => {
    const [channel, place] = [at % channels, Math.floor(at / channels)];
    return (128 + row * ((place % width) + 2 * Math.floor(place / width) + 37 * channel)) % 256;
  });
  return { width, height, channels, data };
}

import type { Signature } from './signature.ts';

const triedRows = 8;
const greyPixel = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR42mNoAAAAggCBd81ytgAAAABJRU5ErkJggg==';

/** Rows that any model of this signature should have an answer to: the middle of each range and what lies around it. */
export function inventRows(signature: Signature): unknown[] {
  return Array.from({ length: triedRows }, (_, row) =>
    Object.fromEntries(
      signature.inputs.map((input, column): [string, unknown] => {
        // PNG, one grey pixel: brought to the size that the model wants.
        if (input.type === 'image') return [input.name, { b64: greyPixel }];
        if (input.type === 'date') return [input.name, `2026-0${1 + (row % 9)}-15T06:00:00Z`];
        if (input.type === 'list') return [input.name, input.choices.slice(row, row + 2)];
        if (input.type !== 'number') return [input.name, input.categories.length ? input.categories[(row + column) % input.categories.length]! : ''];
        const share = ((row * 5 + column * 3) % triedRows) / (triedRows - 1);
        const isOpen = input.max - input.min > 1e12;
        const value = isOpen ? Math.max(input.min, 0) + share : input.min + share * (input.max - input.min);
        return [input.name, input.closed ? Math.round(value) : value];
      }),
    ),
  );
}

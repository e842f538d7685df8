import { dateOfDay, datePartOf, dateParts, readIsoDate } from './index.ts';

const partsOf = (text: string) => {
  const moment = readIsoDate(text);
  return moment === null ? null : dateParts.map((part) => datePartOf(moment, part));
};

it.each([
  ['1970-01-01', [1970, 1, 3, 0, 0]], // a Thursday
  ['2024-02-29', [2024, 2, 3, 0, 19_782]],
  ['2026-11-29', [2026, 11, 6, 0, 20_786]], // a Sunday
  ['2026-11-29T23:59:59.999Z', [2026, 11, 6, 23, 20_786]],
  ['2026-11-29 23:30', [2026, 11, 6, 23, 20_786]],
  ['2026-11-29T23:30:00-01:00', [2026, 11, 0, 0, 20_787]],
  ['1969-12-31T23:00Z', [1969, 12, 2, 23, -1]],
  ['0099-03-01', [99, 3, 6, 0, -683_309]],
])('reads %s', (text, parts) => {
  expect(partsOf(text)).toEqual(parts);
});

it.each(['', '2026', '2026-02-29', '2026-13-01', '2026-01-01T24:01', '2026-01-01T12', '31.3.2026', '2026-1-1', ' 2026-01-01', '2026-01-01T10:00+1', 'Infinity'])('takes “%s” for no date', (text) => {
  expect(readIsoDate(text)).toBeNull();
});

it('tells the date of a day', () => {
  expect([0, 19_782, -1].map(dateOfDay)).toEqual(['1970-01-01', '2024-02-29', '1969-12-31']);
});

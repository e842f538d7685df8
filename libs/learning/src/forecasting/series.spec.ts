import { calendarOf, durationText, usualSeason } from './calendar.ts';
import { collectSeries } from './series.ts';

const parse = (times: string[]) => times.map((time) => Date.parse(time));
const day = (index: number) => new Date(Date.UTC(2026, 1, 20 + index)).toISOString().slice(0, 10);
const settings = { timeColumn: 'day', horizon: 3 };
const dated = (count: number, leftOut: number[] = []) => Array.from({ length: count }, (_, index) => index).filter((index) => !leftOut.includes(index));

test.each([
  ['months', ['1999-11-01', '1999-12-01', '2000-01-01'], 'P1M', 12, '2000-03-01'],
  ['ends of months', ['1999-11-30', '1999-12-31', '2000-01-31'], 'P1M', 12, '2000-03-31'],
  ['quarters', ['2025-01-01', '2025-04-01', '2025-07-01'], 'P3M', 4, '2026-01-01'],
  ['years', ['2023-05-01', '2024-05-01', '2025-05-01'], 'P12M', 1, '2027-05-01'],
  ['weeks', ['2026-02-02', '2026-02-09', '2026-02-16'], 'P7D', 52, '2026-03-02'],
  ['days', ['2024-02-27', '2024-02-28', '2024-02-29'], 'P1D', 7, '2024-03-02'],
  ['hours', ['2026-03-01T22:00:00.000Z', '2026-03-01T23:00:00.000Z', '2026-03-02T00:00:00.000Z'], 'PT1H', 24, '2026-03-02T02:00:00.000Z'],
  ['quarters of an hour', ['1969-12-31T23:30:00.000Z', '1969-12-31T23:45:00.000Z', '1970-01-01T00:00:00.000Z'], 'PT15M', 96, '1970-01-01T00:30:00.000Z'],
  ['days with a gap', ['2026-02-20', '2026-02-21', '2026-02-24', '2026-02-25'], 'P1D', 7, '2026-02-26'],
])('%s are told by their distances', (_, times, duration, season, fourth) => {
  const calendar = calendarOf(parse(times))!;
  expect(durationText(calendar.frequency)).toBe(duration);
  expect(usualSeason(calendar.frequency)).toBe(season);
  const last = calendar.stepOf(Date.parse(times.at(-1)!))!;
  expect(calendar.stepOf(Date.parse(fourth))).toBe(times.length === 4 ? last + 1 : 4);
  expect(calendar.timeOf(calendar.stepOf(Date.parse(fourth))!)).toBe(Date.parse(fourth));
});

test('rows in any order become series without gaps, and what was filled in is told', () => {
  const days = dated(20, [5, 6]).reverse();
  const set = collectSeries({ times: days.map(day), series: null, values: Float64Array.from(days, (index) => index * 2) }, settings);
  expect(set).toMatchObject({ type: 'series', seasonLength: 7, warnings: [expect.stringMatching(/lacks 2 of 20 values/)] });
  expect(set.type === 'series' && [...set.series[0]!.values]).toEqual(Array.from({ length: 20 }, (_, index) => index * 2));
});

test('a missing value is a gap', () => {
  const set = collectSeries({ times: dated(20).map(day), series: null, values: Float64Array.from(dated(20), (index) => (index === 4 ? NaN : index)) }, settings);
  expect(set.type === 'series' && [...set.series[0]!.values.subarray(3, 6)]).toEqual([3, 4, 5]);
});

test('several series stand in order; what cannot be forecast is left out with a reason', () => {
  const rows = [
    ...dated(20).map((index) => ({ name: 'b', index })),
    ...dated(20).map((index) => ({ name: 'a', index })),
    ...dated(18).map((index) => ({ name: 'ended', index })),
    ...[0, 2, 4, ...dated(20).slice(8)].map((index) => ({ name: 'holes', index })),
    ...dated(20).slice(12).map((index) => ({ name: 'new', index })),
  ];
  const set = collectSeries({ times: rows.map(({ index }) => day(index)), series: rows.map(({ name }) => name), values: Float64Array.from(rows, ({ index }) => index) }, settings);
  expect(set.type === 'series' && set.series.map(({ name }) => name)).toEqual(['a', 'b']);
  expect(set.type === 'series' && set.warnings).toEqual([
    expect.stringMatching(/"ended" ends before the others/), expect.stringMatching(/"holes" lacks 5 of 20/), expect.stringMatching(/"new" has only 8 values/),
  ]);
});

test.each([
  ['two values of one time', [day(0), day(1), day(1), ...dated(20).slice(2).map(day)], /two values for 2026-02-21/],
  ['a time between two steps', [...dated(20).map(day), '2026-03-12T07:00:00.000Z'], /2026-03-12T07.* does not fit steps of P1D/],
  ['too few values', dated(12).map(day), /has only 12 values/],
  ['no distance', [day(0), day(1)], /no distance/],
])('%s are a problem with a remedy', (_, times, message) => {
  const set = collectSeries({ times, series: null, values: Float64Array.from(times, (__, index) => index) }, settings);
  expect(set).toMatchObject({ type: 'invalid', problems: [{ field: 'forecast.timeColumn', message: expect.stringMatching(message), remedy: expect.stringMatching(/./) }] });
});

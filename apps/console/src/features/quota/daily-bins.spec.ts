import { dailyBins } from './daily-bins.ts';

it('has a bin for each day of the period, in UTC, also where nothing was used', () => {
  const bins = dailyBins({ from: '2026-11-01T13:00:00.000Z', to: '2026-11-04T13:00:00.000Z' }, [
    { time: '2026-11-02T00:00:00.000Z', rows: '7' },
    { time: '2026-11-04T00:00:00.000Z', rows: 3 },
  ]);
  expect(bins.map(({ from, count }) => [new Date(from).toISOString().slice(0, 10), count])).toEqual([
    ['2026-11-01', 0],
    ['2026-11-02', 7],
    ['2026-11-03', 0],
    ['2026-11-04', 3],
  ]);
});

import { coarseStart } from './coarse-start.ts';

const at = (time: string) => new Date(`2026-03-01T${time}Z`);

it.each([
  ['12:00:00', 0, '12:00:00'],
  ['12:00:01', 0, '12:05:00'],
  ['12:03:10', 47, '12:05:00'],
  ['12:03:10', 200, '12:10:00'],
  ['12:03:10', 3_600, '13:05:00'],
  ['12:03:10', 3_601, '13:30:00'],
  ['12:03:10', 7 * 3_600, '20:00:00'],
])('a start seen at %s that is %i seconds away is told as %s', (now, seconds, told) => {
  expect(coarseStart(at(now), seconds)).toEqual(at(told));
});

it('tells runs apart no nearer than its steps, and never a time that has passed', () => {
  const now = at('12:03:10');
  const told = Array.from({ length: 3_600 }, (_, second) => coarseStart(now, second).getTime());
  expect(new Set(told).size).toBe(13);
  expect(told.every((time, second) => time >= now.getTime() + second * 1000)).toBe(true);
});

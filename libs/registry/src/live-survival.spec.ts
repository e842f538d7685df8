import { scoreTime } from './live-survival.ts';

const answer = [120, 0.8, 100];

it('an end is held against the median, and the chance to go on against whether it did', () => {
  expect(scoreTime(answer, { time: 90, event: true })).toEqual({ undecided: 0, brier: expect.closeTo(0.64, 12), maeObserved: 30 });
  expect(scoreTime(answer, { time: 150, event: true })).toEqual({ undecided: 0, brier: expect.closeTo(0.04, 12), maeObserved: 30 });
  expect(scoreTime(answer, { time: 100, event: true })).toMatchObject({ brier: expect.closeTo(0.64, 12) }); // it did not go on beyond it
});

it('what still goes on tells of the horizon if that is past, and of nothing before', () => {
  expect(scoreTime(answer, { time: 100, event: false })).toEqual({ undecided: 0, brier: expect.closeTo(0.04, 12) });
  expect(scoreTime(answer, { time: 99, event: false })).toEqual({ undecided: 1 });
});

it('an error beyond all times can still be added up', () => {
  expect(scoreTime([1e300, 1, 1], { time: 2, event: true }).maeObserved).toBe(1e12);
});

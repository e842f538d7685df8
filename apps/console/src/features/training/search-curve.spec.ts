import { searchCurveOf } from './search-curve.ts';

describe('the curve of a search', () => {
  it('is in the order of time, whatever the order of the trials, and begins with the first score', () => {
    const trials = [
      { metrics: { search: { at: 4, bestScore: 0.9 } } },
      { metrics: { search: { at: 1, bestScore: null } } },
      { metrics: { test: {}, search: { at: 2, bestScore: 0.8 } } },
      { metrics: { test: {} } },
    ];
    expect(searchCurveOf(trials)).toEqual({ trials: 3, seconds: [2, 4], best: [0.8, 0.9] });
  });

  it('is none where nothing was searched', () => {
    expect(searchCurveOf([{ metrics: { test: {} } }, { metrics: null }])).toBeNull();
  });
});

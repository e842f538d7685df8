import { fitSmoothing, forecastSmoothing } from './exponential-smoothing.ts';
import { criterion, extrapolate, type SmoothingForm, type SmoothingParameters, statesAfter } from './smoothing-recursion.ts';

/** Sixty values with a trend, a season of four that grows, and something irregular. */
const values = Float64Array.from({ length: 60 }, (_, t) => Math.round((40 + 0.9 * t + (1 + t / 80) * [-9, 4, 12, -7][t % 4]! + 4 * Math.sin(t * t * 0.7)) * 10) / 10);
const form = (error: SmoothingForm['error'], trend: SmoothingForm['trend'], season: SmoothingForm['season']): SmoothingForm => ({ error, trend, season });
const forms = (['additive', 'multiplicative'] as const).flatMap((error) =>
  (['none', 'additive', 'damped'] as const).flatMap((trend) => (['none', 'additive', 'multiplicative'] as const).map((season) => form(error, trend, season))),
);
const parametersFor = ({ trend, season }: SmoothingForm): SmoothingParameters => ({
  alpha: 0.3, beta: 0.05, gamma: 0.2, phi: trend === 'damped' ? 0.95 : 1, level: 41, trend: 1.1,
  season: season === 'none' ? new Float64Array() : season === 'additive' ? Float64Array.of(-9, 4, 12, -7) : Float64Array.of(0.8, 1.1, 1.3, 0.8),
});

describe('the recursion', () => {
  // Reference: ETSModel of statsmodels 0.15 with these parameters; its log-likelihood without the constants.
  it.each([
    [form('additive', 'additive', 'additive'), 395.401696623874],
    [form('additive', 'damped', 'additive'), 396.5343785645459],
    [form('multiplicative', 'damped', 'none'), 559.3982306714574],
  ])('gives the likelihood of an independent program: %j', (of, expected) => {
    expect(criterion(values, of, parametersFor(of))).toBeCloseTo(expected, 8);
  });

  it('forecasts as an independent program does', () => {
    const of = form('additive', 'additive', 'additive');
    const forecast = extrapolate(statesAfter(values, of, parametersFor(of)), of, 1, values.length, 5);
    [79.933409, 99.19782, 110.357717, 82.654514, 82.793022].forEach((expected, step) => expect(forecast[step]).toBeCloseTo(expected, 5));
  });

  it('moves a multiplicative season as worked out by hand', () => {
    // From level 10, slope 1, season (2, 0.5): 22 is expected and 26 comes; then 0.5 · 14 = 7 and 7 comes.
    const of = form('multiplicative', 'additive', 'multiplicative');
    const at = { alpha: 0.5, beta: 0.25, gamma: 0.1, phi: 1, level: 10, trend: 1, season: Float64Array.of(2, 0.5) };
    const { level, trend, season } = statesAfter(Float64Array.of(26, 7.25), of, at);
    // e = 4, so level 11 + 0.5 · 4 / 2 = 12, slope 1 + 0.25 · 2 = 1.5, season 2 + 0.1 · 4 / 11; then 13.5 · 0.5 = 6.75 is expected.
    expect([level, trend]).toEqual([13.5 + 0.5 * (0.5 / 0.5), 1.5 + 0.25 * (0.5 / 0.5)]);
    expect([...season]).toEqual([2 + 0.4 / 11, 0.5 + (0.1 * 0.5) / 13.5]);
    expect(criterion(Float64Array.of(26, 7.25), of, at)).toBeCloseTo(2 * Math.log((4 / 22) ** 2 + (0.5 / 6.75) ** 2) + 2 * Math.log(22 * 6.75), 12);
  });

  it.each(forms)('knows its own slope: %j', (of) => {
    const at = parametersFor(of);
    const gradient = parametersFor(of);
    criterion(values, of, at, gradient);
    const slope = (change: (parameters: SmoothingParameters, by: number) => void, size: number) => {
      const moved = (by: number) => {
        const copy = { ...at, season: Float64Array.from(at.season) };
        change(copy, by);
        return criterion(values, of, copy);
      };
      return (moved(size) - moved(-size)) / (2 * size);
    };
    const names = ['alpha', 'level', ...(of.trend === 'none' ? [] : (['beta', 'trend'] as const)), ...(of.trend === 'damped' ? (['phi'] as const) : []), ...(of.season === 'none' ? [] : (['gamma'] as const))] as const;
    for (const name of names as readonly ('alpha' | 'beta' | 'gamma' | 'phi' | 'level' | 'trend')[]) {
      const expected = slope((parameters, by) => (parameters[name] += by), 1e-5);
      expect(Math.abs(gradient[name] - expected)).toBeLessThan(1e-5 * Math.max(1, Math.abs(expected)));
    }
    at.season.forEach((_, place) => {
      const expected = slope((parameters, by) => (parameters.season[place]! += by), 1e-6);
      expect(Math.abs(gradient.season[place]! - expected)).toBeLessThan(1e-4 * Math.max(1, Math.abs(expected)));
    });
  });

  it('is nothing where a multiplicative part meets what is not above zero', () => {
    const of = form('multiplicative', 'none', 'none');
    expect(criterion(values, of, { ...parametersFor(of), level: -1 })).toBe(Infinity);
  });
});

describe('the fit', () => {
  // Reference: ETSModel of statsmodels 0.15, started several times; smaller is better.
  it.each([
    [form('additive', 'none', 'none'), 556.126],
    [form('additive', 'damped', 'none'), 540.25],
    [form('additive', 'additive', 'additive'), 376.399],
    [form('multiplicative', 'additive', 'multiplicative'), 379.349],
    [form('multiplicative', 'damped', 'additive'), 382.053],
    [form('multiplicative', 'none', 'multiplicative'), 411.492],
  ])('is no less likely than that of an independent program: %j', (of, reference) => {
    expect(fitSmoothing(values, 4, of)!.criterion).toBeLessThan(reference + 0.1);
  });

  it('forecasts what an independent program forecasts', () => {
    const forecast = forecastSmoothing(fitSmoothing(values, 4, form('additive', 'additive', 'additive'))!, values, 5);
    [81.031, 100.203, 111.892, 84.791, 84.521].forEach((expected, step) => expect(Math.abs(forecast[step]! - expected)).toBeLessThan(0.01));
  });

  it('chooses a season and a trend where there are some, and none where there are none', () => {
    expect(fitSmoothing(values, 4)!.form).toMatchObject({ trend: 'additive', season: expect.stringMatching(/additive|multiplicative/) });
    const noise = Float64Array.from({ length: 60 }, (_, t) => 5 * Math.sin(t * t * 0.7));
    expect(fitSmoothing(noise, 4)!.form).toEqual(form('additive', 'none', 'none'));
  });

  it('keeps its weights within their bounds, whatever the series', () => {
    for (const of of forms) {
      const { alpha, beta, gamma, phi } = fitSmoothing(values, 4, of)!.parameters;
      expect(alpha > 0 && alpha < 1 && beta >= 0 && beta <= alpha && gamma >= 0 && gamma <= 1 - alpha).toBe(true);
      expect(of.trend === 'damped' ? phi >= 0.8 && phi <= 0.98 : phi === 1).toBe(true);
    }
  });

  it('has no multiplicative form for values that are not above zero, and none at all for a handful', () => {
    expect(fitSmoothing(values.map((value) => value - 60), 4, { season: 'multiplicative' })).toBeNull();
    expect(fitSmoothing(Float64Array.of(1, 2, 3), 1)).toBeNull();
  });

  it('learns a constant', () => {
    expect([...forecastSmoothing(fitSmoothing(new Float64Array(30).fill(7), 1)!, new Float64Array(30).fill(7), 2)]).toEqual([expect.closeTo(7, 6), expect.closeTo(7, 6)]);
  });
});

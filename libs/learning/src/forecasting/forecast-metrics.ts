/** How good forecasts are, over all origins, steps and series. */
export interface ForecastMetrics {
  type: 'forecasting';
  series: number;
  /** Times from which was forecast, over all series. */
  origins: number;
  /** Values that were forecast. */
  points: number;
  /** Mean absolute error as a multiple of that of the seasonal naive forecast one step ahead within the history (Hyndman & Koehler 2006); mean of the series. Null where that is 0. */
  mase: number | null;
  /** Mean of 200 |error| / (|truth| + |forecast|), in per cent. */
  smape: number;
  rmse: number;
  mae: number;
  /** Share of the values within the interval; null where none was tested. */
  coverage: number | null;
  /** Mean pinball loss of the interval's two ends, each at its own quantile. */
  pinball: number | null;
}

/** The forecasts from one origin with what came. */
export interface ScoredForecast {
  actual: Float64Array;
  point: Float64Array;
  interval: { lower: Float64Array; upper: Float64Array } | null;
}

/** `scales`: by series, what MASE divides by. `coverage` is the one that the intervals were made for. */
export function scoreForecasts(bySeries: readonly ScoredForecast[][], scales: readonly number[], coverage: number): ForecastMetrics {
  let [points, absolutes, squares, percents, tested, within, pinball, scaled, scaledSeries] = [0, 0, 0, 0, 0, 0, 0, 0, 0];
  bySeries.forEach((forecasts, index) => {
    let own = 0;
    let ownPoints = 0;
    for (const { actual, point, interval } of forecasts) {
      for (let step = 0; step < actual.length; step++) {
        const [y, f] = [actual[step]!, point[step]!];
        const error = Math.abs(y - f);
        own += error;
        ownPoints += 1;
        squares += error * error;
        percents += error === 0 ? 0 : (200 * error) / (Math.abs(y) + Math.abs(f));
        if (!interval) continue;
        const [lower, upper] = [interval.lower[step]!, interval.upper[step]!];
        tested += 1;
        if (y >= lower && y <= upper) within += 1;
        pinball += (pinballLoss(y, lower, (1 - coverage) / 2) + pinballLoss(y, upper, (1 + coverage) / 2)) / 2;
      }
    }
    points += ownPoints;
    absolutes += own;
    if (scales[index]! > 0 && ownPoints > 0) {
      scaled += own / ownPoints / scales[index]!;
      scaledSeries += 1;
    }
  });
  return {
    type: 'forecasting',
    series: bySeries.length,
    origins: bySeries.reduce((sum, forecasts) => sum + forecasts.length, 0),
    points,
    mase: scaledSeries > 0 ? scaled / scaledSeries : null,
    smape: percents / points,
    rmse: Math.sqrt(squares / points),
    mae: absolutes / points,
    coverage: tested > 0 ? within / tested : null,
    pinball: tested > 0 ? pinball / tested : null,
  };
}

/** The loss that is smallest, on average, where `forecast` is the quantile `share` (Koenker & Bassett 1978). */
export function pinballLoss(actual: number, forecast: number, share: number): number {
  return actual >= forecast ? share * (actual - forecast) : (1 - share) * (forecast - actual);
}

/** The mean absolute change over a season: the error of the seasonal naive forecast within the history. */
export function naiveScale(history: Float64Array, seasonLength: number): number {
  const lag = history.length > seasonLength ? seasonLength : 1;
  let sum = 0;
  for (let time = lag; time < history.length; time++) sum += Math.abs(history[time]! - history[time - lag]!);
  return sum / Math.max(1, history.length - lag);
}

/** When something ended, or how long it had gone on when it was last looked at. */
export interface TimeTruth {
  time: number;
  /** whether it ended then */
  event: boolean;
}

/** An error beyond all times, whose square can still be added up. */
const largestError = 1e12;

/**
 * How good an answer about a remaining life was: by the squared error of the chance to go on beyond the horizon (G. W. Brier, Verification of forecasts expressed
 * in terms of probability, 1950), and by how far the median lies from an end that was seen. What had not ended, and was last looked at before the horizon,
 * is undecided: it says nothing of either.
 * @param answer as it is recorded: median, chance to go on beyond the horizon, horizon
 */
export function scoreTime([median, survival, horizon]: readonly number[], { time, event }: TimeTruth): { undecided: 0 | 1; brier?: number; maeObserved?: number } {
  const isDecided = event || time >= horizon!;
  const wentOn = Number(event ? time > horizon! : true);
  return {
    undecided: isDecided ? 0 : 1,
    ...(isDecided && { brier: (survival! - wentOn) ** 2 }),
    ...(event && { maeObserved: Math.min(largestError, Math.abs(median! - time)) }),
  };
}

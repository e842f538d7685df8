export interface SearchCurve {
  trials: number;
  /** Into the search, ascending. */
  seconds: number[];
  /** The best score by then. */
  best: number[];
}

/** The best score of a search over time, from what its trials say of it; null for a run that was no search. */
export function searchCurveOf(trials: readonly { metrics: unknown }[]): SearchCurve | null {
  const points = trials.flatMap(({ metrics }) => {
    const search = fieldOf(metrics, 'search');
    const [at, best] = [fieldOf(search, 'at'), fieldOf(search, 'bestScore')];
    return typeof at === 'number' ? [{ at, best: typeof best === 'number' ? best : null }] : [];
  });
  if (points.length === 0) return null;
  const known = points.filter((point): point is { at: number; best: number } => point.best !== null).sort((a, b) => a.at - b.at);
  return known.length === 0 ? null : { trials: points.length, seconds: known.map(({ at }) => at), best: known.map(({ best }) => best) };
}

function fieldOf(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[name] : undefined;
}

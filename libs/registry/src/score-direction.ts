/** Scores of which less is better; of all others more is. As the metrics of a version name them. */
const errors = new Set(['rmse', 'mae', 'mape', 'smape', 'mase', 'pinball', 'logLoss', 'brierScore', 'brier', 'loss', 'intervalWidth']);

export const isError = (metric: string): boolean => errors.has(metric);

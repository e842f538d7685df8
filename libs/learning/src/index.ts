export { type BackendName, selectBackend } from './backend.ts';
export type { FittedPipeline } from './pipeline.ts';
export { predict, type Prediction, type Row } from './predict.ts';
export type { ColumnData, Table } from './table.ts';
export { train, type TrainEvent, type TrainOutcome, type Trial } from './train.ts';
export { answerForecast, type FittedForecast } from './forecasting/fitted-forecast.ts';
export type { ForecastTable } from './forecasting/series.ts';
export { type ForecastTrial, trainForecast, type TrainForecastOutcome } from './forecasting/train-forecast.ts';

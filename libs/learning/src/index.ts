export { type BackendName, selectBackend } from './backend.ts';
export type { FittedPipeline } from './pipeline.ts';
export { predict, type Prediction, type Row } from './predict.ts';
export { type FoldScores, scoreFolds } from './score-folds.ts';
export type { ColumnData, Table } from './table.ts';
export { train, type TrainEvent, type TrainOutcome, type Trial } from './train.ts';
export { reproduceTrial } from './search/reproduce-trial.ts';
export type { Appraisal, SearchRecord } from './search/search.ts';

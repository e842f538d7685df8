export {
  checkSpecAgainstColumns,
  type ColumnSummary,
  maxCategories,
  needsValidation,
  selectionMetricOf,
  splitTypeOf,
  type Task,
  taskOf,
} from './check-spec.ts';
export { completeSettings, families } from './families.ts';
export type {
  BaselineSettings, BoostedTreesSettings, DenseSettings, LinearSettings, ModelFamily, ModelSettings, NearestNeighboursSettings, RandomForestSettings,
} from './families.ts';
export type { SpecProblem } from './spec-problem.ts';
export { isSearch, maxSearchTrials, parseTrainingSpec, selectionMetrics, trainingSpecJsonSchema } from './training-spec.ts';
export type { SelectionMetric, TrainerSettings, TrainingSpec } from './training-spec.ts';

export {
  checkSpecAgainstColumns,
  type ColumnSummary,
  maxCategories,
  needsValidation,
  splitTypeOf,
  type Task,
  taskOf,
} from './check-spec.ts';
export { families } from './families.ts';
export {
  type ForecastMetric,
  forecastMetrics,
  type ForecastModelSettings,
  type ForecastSettings,
  maxSeries,
  minHistory,
  stepInput,
} from './forecast.ts';
export type { DenseSettings, ModelFamily, ModelSettings, NearestNeighboursSettings } from './families.ts';
export type { SpecProblem } from './spec-problem.ts';
export { parseTrainingSpec, selectionMetrics, trainingSpecJsonSchema } from './training-spec.ts';
export type { SelectionMetric, TrainerSettings, TrainingSpec } from './training-spec.ts';
export { writeTrainingYaml } from './training-yaml.ts';

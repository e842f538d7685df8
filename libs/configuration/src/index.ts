export { type AnomalyFamily, type AnomalyMetric, anomalyMetrics, type AnomalyModelSettings, type AnomalySettings } from './anomaly.ts';
export { maxCategories } from './check-columns.ts';
export { checkSpecAgainstColumns } from './check-spec.ts';
export { checkTimeColumn, needsValidation, splitColumnOf, splitTypeOf } from './check-split.ts';
export type { ColumnSummary } from './column-summary.ts';
export { selectionMetricOf, type Task, taskOf } from './task.ts';
export { type CompressionSteps, compressionSteps } from './check-compression.ts';
export type { Compression } from './compression.ts';
export { completeSettings, learnsByTrainer } from './families.ts';
export type {
  BaselineSettings, BaseSettings, BoostedTreesSettings, ConvolutionalSettings, DenseSettings, LinearSettings, ModelFamily, ModelSettings, NearestNeighboursSettings, RandomForestSettings,
} from './families.ts';
export {
  type ForecastMetric,
  forecastMetrics,
  type ForecastModelSettings,
  type ForecastSettings,
  maxSeries,
  minHistory,
  stepInput,
} from './forecast.ts';
export {
  excludeInput,
  maxItems,
  maxUsers,
  type RecommendationMetric,
  type RecommendationModelSettings,
  type RecommendationSettings,
} from './recommendation.ts';
export {
  horizonInput, minObserved, type SurvivalDistribution, type SurvivalMetric, survivalMetrics, type SurvivalModelSettings, type SurvivalSettings,
} from './survival.ts';
export { type PersonalisationSettings } from './personalisation.ts';
export {
  checkOptimisation, isErrorMetric, methodsFor, type Optimisation, optimisationJsonSchema, type OptimisationMethod, type OptimisationStep, type OptimisedBase, parseOptimisation, quantisationsFor,
} from './optimisation.ts';
export { defaultMaxLoss } from './greatest-loss.ts';
export { locateProblems } from './locate-problems.ts';
export type { SpecProblem } from './spec-problem.ts';
export { isSearch, maxSearchTrials, parseTrainingSpec, readsImages, selectionMetrics, trainingSpecJsonSchema } from './training-spec.ts';
export type { SelectionMetric, TrainerSettings, TrainingSpec } from './training-spec.ts';
export { writeTrainingYaml } from './training-yaml.ts';

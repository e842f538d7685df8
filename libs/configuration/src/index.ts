export type { AnomalyFamily, AnomalyMetric, AnomalyModelSettings } from './anomaly.ts';
export { maxCategories } from './check-columns.ts';
export { checkSpecAgainstColumns } from './check-spec.ts';
export { checkTimeColumn, needsValidation, splitColumnOf, splitTypeOf } from './check-split.ts';
export type { ColumnSummary } from './column-summary.ts';
export { selectionMetricOf, type Task, taskOf } from './task.ts';
export { compressionSteps } from './check-compression.ts';
export type { Compression } from './compression.ts';
export { completeSettings, learnsByTrainer } from './families.ts';
export type {
  BaselineSettings, BoostedTreesSettings, ConvolutionalSettings, DenseSettings, LinearSettings, ModelFamily, ModelSettings, NearestNeighboursSettings,
  RandomForestSettings,
} from './families.ts';
export { type ForecastMetric, type ForecastModelSettings, maxSeries, minHistory, stepInput } from './forecast.ts';
export { excludeInput, maxItems, maxUsers, type RecommendationMetric, type RecommendationModelSettings, type RecommendationSettings } from './recommendation.ts';
export { horizonInput, minObserved, type SurvivalDistribution, type SurvivalMetric, type SurvivalModelSettings } from './survival.ts';
export {
  checkOptimisation, isErrorMetric, methodsFor, type Optimisation, type OptimisationMethod, type OptimisationStep, type OptimisedBase,
  parseOptimisation, quantisationsFor,
} from './optimisation.ts';
export { defaultMaxLoss } from './greatest-loss.ts';
export { locateProblems } from './locate-problems.ts';
export type { SpecProblem } from './spec-problem.ts';
export { isSearch, maxSearchTrials, parseTrainingSpec, readsImages, selectionMetrics, trainingSpecJsonSchema } from './training-spec.ts';
export type { SelectionMetric, TrainerSettings, TrainingSpec } from './training-spec.ts';
export { writeTrainingYaml } from './training-yaml.ts';

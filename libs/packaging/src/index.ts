export { agree, type Agreement } from './agreement.ts';
export type { JsonValue } from './canonical-json.ts';
export {
  type CheckedRows,
  type CheckLimits,
  checkRows,
  checkVectors,
  type RowProblem,
  type RowWarning,
  type ValidatedRows,
} from './check-rows.ts';
export type { FittedForecast } from './fitted-forecast.ts';
export type {
  Activation,
  DecisionTree,
  DenseEstimator,
  FittedEstimator,
  FittedFeature,
  FittedPipeline,
  FittedTarget,
  NearestNeighboursEstimator,
  TreeEnsemble,
} from './fitted-pipeline.ts';
export { type LoadedModel, loadModel, type LoadOptions, type Prediction } from './loaded-model.ts';
export {
  buildForecastPackage,
  buildPackage,
  DamagedPackageError,
  type Manifest,
  type ModelPackage,
  type PackageFacts,
  type PackageFiles,
  type VerifiedPackage,
  verifyPackage,
} from './model-package.ts';
export {
  type Signature,
  type SignatureInput,
  type SignatureOutput,
  type TensorMetadata,
  intervalCoverageOf,
  tensorMetadata,
} from './signature.ts';

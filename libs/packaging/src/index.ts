export { agree, type Agreement } from './agreement.ts';
export { type BackgroundRows, backgroundRowsIn, readBackground } from './background.ts';
export type { PackageMaterials } from './bill-of-materials.ts';
export type { JsonValue } from './canonical-json.ts';
export { type CheckedRows, checkRows, checkVectors } from './check-rows.ts';
export type { RowProblem, RowWarning } from './row-problem.ts';
export type { ValidatedRows } from './validated-rows.ts';
export type { FittedDetector } from './fitted-detector.ts';
export type { FittedForecast } from './fitted-forecast.ts';
export type { FittedFeature, FittedImage, FittedTarget } from './fitted-columns.ts';
export type { Activation, ConvolutionalEstimator, DenseEstimator, FittedEstimator, NearestNeighboursEstimator } from './fitted-estimator.ts';
export type { FittedPipeline } from './fitted-pipeline.ts';
export type { DecisionTree, TreeEnsemble } from './fitted-trees.ts';
export type { FittedRecommender } from './fitted-recommender.ts';
export type { FittedSurvival } from './fitted-survival.ts';
export { type LayersModel, writeLayers } from './write-layers.ts';
export { unfitText } from './unfit-text.ts';
export { importOnnx } from './import-onnx.ts';
export { checkPackage } from './import-package.ts';
export { inventRows } from './invent-rows.ts';
export { joinRows, listPlaces } from './join-rows.ts';
export { createModelThreads, type ModelThread, type ModelThreads } from './model-threads.ts';
export { type LoadedModel, loadModel, type LoadOptions, type Prediction } from './loaded-model.ts';
export { type ManifestSignature, SIGNATURE_FILE, signerOf, textToSign, writeSignature } from './manifest-signature.ts';
export {
  buildDetectorPackage,
  buildForecastPackage,
  buildPackage,
  buildRecommenderPackage,
  buildSurvivalPackage,
  damage,
  DamagedPackageError,
  type ModelPackage,
  type PackageFacts,
  type PackageFiles,
  verifyPackage,
  withRowsPerCall,
} from './model-package.ts';
export { mixRows, paintRegions, type PictureRegion } from './mix-rows.ts';
export { archiveBytes, type ArchiveEntry, isArchive, readArchive, writeArchive } from './package-archive.ts';
export { readConvolutions } from './read-convolutions.ts';
export { readPipeline, type ReadPipeline } from './read-pipeline.ts';
export { readPipelineAside } from './read-pipeline-aside.ts';
export { readDetector } from './read-detector.ts';
export { readSurvival } from './read-survival.ts';
export { readRecommender } from './read-recommender.ts';
export { createPictureDesk, type PictureDesk } from './sent-pictures.ts';
export {
  furtherOutputs,
  type ImageInput,
  type Signature,
  type SignatureInput,
  numbersOf,
  tensorMetadata,
} from './signature.ts';
export { type SampleRow, tryPackage } from './try-package.ts';

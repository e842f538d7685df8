export type {
  CreateDatasetInput,
  DatasetVersionView,
  DeriveVersionOutcome,
} from './dataset-versions.ts';
export { type ContactStrip, readContactSheet } from './contact-sheet.ts';
export type { ImageSummary } from './image-summary.ts';
export type { DatasetProfile, VersionRefusal } from './version-store.ts';
export { type DecimalSign, type Delimiter, type FileDialect } from './file-dialect.ts';
export type { TextEncoding } from './text-encoding.ts';
export { createDatasets, type Datasets } from './datasets.ts';
export {
  type ColumnFlag,
  type ColumnProfile,
  type ColumnSummary,
  type ColumnType,
  defaultFileLimits,
  type FileLimits,
  type FileProblem,
  type FileWarning,
} from './table-file.ts';
export { importTable, type ImportOptions, type ImportOutcome, inspectFile, type InspectOptions, type InspectOutcome } from './table-import.ts';
export type { Association, Leak, TargetChoice, TargetReport } from './target-report.ts';
export { readTable, sampleRows, type SampleRow, type Table } from './table-reading.ts';
export { type BeginUploadInput, type ReceiveUploadOutcome, uploadRefusalCodes } from './uploads.ts';

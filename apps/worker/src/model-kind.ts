import type { Appraisal } from '@millrace/learning';
import { type Agreement, checkRows, type LoadedModel, loadModel, type ModelPackage, type PackageFacts, type ValidatedRows } from '@millrace/packaging';
import { timeOneRow } from './time-one-row.ts';

/** How models of one kind are packed, and asked by both engines. */
export interface ModelKind<Model> {
  pack(model: Model, facts: PackageFacts): ModelPackage;
  /** by which its speed is told; none where no row fits */
  sampleRow(model: Model): Record<string, unknown> | undefined;
  /** Asks both engines the same. */
  compare(model: Model, loaded: LoadedModel): Promise<Agreement>;
}

/** What a model costs when it is served. Rows that the model would refuse tell nothing of its speed. */
export async function appraise<Model>({ pack, sampleRow }: ModelKind<Model>, model: Model): Promise<Appraisal> {
  const { files, sizeBytes, gzipBytes } = pack(model, { metrics: {}, lineage: {} });
  const loaded = await loadModel(files);
  try {
    return { predTimeMsP50: await timeOneRow(loaded, sampleRow(model)), sizeBytes, sizeGzBytes: gzipBytes };
  } finally {
    await loaded.close();
  }
}

/** Sample rows as a served model takes them. */
export function acceptedRows({ signature }: LoadedModel, rows: readonly Record<string, unknown>[]): ValidatedRows {
  const checked = checkRows(signature, rows);
  if (checked.type === 'invalid') throw new Error(`the sample rows do not fit the signature: ${checked.problems[0]?.message}`);
  return checked.rows;
}

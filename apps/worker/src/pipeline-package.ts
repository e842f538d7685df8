import { type Appraisal, type FittedPipeline, predict, type Table } from '@millrace/learning';
import { agree, type Agreement, buildPackage, checkRows, type LoadedModel, loadModel } from '@millrace/packaging';
import { type SampledRows, samplePictures } from './sample-pictures.ts';
import { sampleRows } from './sample-rows.ts';
import { timeOneRow } from './time-one-row.ts';

/** What a model costs when it is served. Rows that the model would refuse tell nothing of its speed. */
export async function appraisePipeline(pipeline: FittedPipeline, table: Table): Promise<Appraisal> {
  const modelPackage = buildPackage(pipeline, { metrics: {}, lineage: {} });
  const model = await loadModel(modelPackage.files);
  try {
    const [row] = samples(table, pipeline, new Int32Array(), 1).served;
    return { predTimeMsP50: await timeOneRow(model, row), sizeBytes: modelPackage.sizeBytes, sizeGzBytes: modelPackage.gzipBytes };
  } finally {
    await model.close();
  }
}

/** The same rows, or pictures, for both engines. */
export function samples(table: Table, { features, image }: FittedPipeline, testRows: Int32Array, most?: number): SampledRows {
  if (image) return samplePictures(table, image, testRows, most);
  const rows = sampleRows(table, features, testRows, most);
  return { served: rows, learned: rows };
}

export async function compareEngines(pipeline: FittedPipeline, model: LoadedModel, { served, learned }: SampledRows): Promise<Agreement> {
  const checked = checkRows(model.signature, served);
  if (checked.type === 'invalid') throw new Error(`the sample rows do not fit the signature: ${checked.problems[0]?.message}`);
  return agree(await predict(pipeline, learned), await model.predict(checked.rows), pipeline.target, pipeline.estimator);
}

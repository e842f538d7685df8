import { type FittedPipeline, predict, type Table } from '@millrace/learning';
import { agree, buildPackage } from '@millrace/packaging';
import { acceptedRows, type ModelKind } from './model-kind.ts';
import { type SampledRows, samplePictures } from './sample-pictures.ts';
import { sampleRows } from './sample-rows.ts';

/** Models that answer rows or pictures with a number or a class. @param testRows those that are asked first */
export function pipelineKind(table: Table, testRows: Int32Array = new Int32Array()): ModelKind<FittedPipeline> {
  /** The same rows, or pictures, for both engines. */
  function samples({ features, image }: FittedPipeline, most?: number): SampledRows {
    if (image) return samplePictures(table, image, testRows, most);
    const rows = sampleRows(table, features, testRows, most);
    return { served: rows, learned: rows };
  }
  return {
    pack: buildPackage,
    sampleRow: (pipeline) => samples(pipeline, 1).served[0],
    async compare(pipeline, loaded) {
      const { served, learned } = samples(pipeline);
      const rows = acceptedRows(loaded, served);
      return agree(await predict(pipeline, learned), await loaded.predict(rows), pipeline.target, pipeline.estimator);
    },
  };
}

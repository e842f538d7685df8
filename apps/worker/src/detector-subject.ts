import { type Appraisal, type FittedDetector, optimiseDetector, type Table } from '@millrace/learning';
import { buildDetectorPackage, loadModel, readDetector } from '@millrace/packaging';
import { compareDetections, readAnomalyTable } from './anomaly-run.ts';
import type { OptimisationGrounds } from './optimisation-run.ts';
import type { OptimisedSubject } from './optimised-subject.ts';
import { sampleRows } from './sample-rows.ts';
import { timeOneRow } from './time-one-row.ts';

/** A detector of anomalies that is a forest or a network. */
export async function detectorSubject({ job, wanted, files, backend, signal }: OptimisationGrounds): Promise<OptimisedSubject<FittedDetector>> {
  const base = readDetector(files);
  if (base.type === 'unreadable') return base;
  const table = await readAnomalyTable(job);
  return {
    type: 'readable',
    family: base.detector.scorer.family,
    familyOf: ({ scorer }) => scorer.family,
    optimise: (onEvent) => optimiseDetector({ base: base.detector, table, spec: job.spec, optimisation: wanted, backend, signal, appraise: (detector) => appraise(detector, table), onEvent }),
    pack: buildDetectorPackage,
    compare: (detector, model) => compareDetections(detector, model, sampleRows(table, detector.features, new Int32Array())),
    lineage: {},
  };
}

async function appraise(detector: FittedDetector, table: Table): Promise<Appraisal> {
  const { files, sizeBytes, gzipBytes } = buildDetectorPackage(detector, { metrics: {}, lineage: {} });
  const model = await loadModel(files);
  try {
    const [row] = sampleRows(table, detector.features, new Int32Array(), 1);
    return { predTimeMsP50: await timeOneRow(model, row), sizeBytes, sizeGzBytes: gzipBytes };
  } finally {
    await model.close();
  }
}

import { millraceVersion } from '@millrace/kernel';
import { engineVersion } from '@millrace/learning';
import type { PackageMaterials } from '@millrace/packaging';
import type { TrainerJob } from './trainer-protocol.ts';

/** What a model of this run is made with and of. */
export function materialsOf({ datasetVersionId, datasetSha256, spec, optimisation }: TrainerJob, backend?: string): PackageMaterials {
  return {
    tools: { millrace: millraceVersion, '@tensorflow/tfjs': engineVersion, ...(backend === undefined ? {} : { backend }) },
    data: {
      datasetVersionId,
      sha256: datasetSha256,
      ...(optimisation ? { parentModelVersionId: optimisation.wanted.base, parentPackageSha256: optimisation.packageSha256 } : {}),
    },
    configuration: JSON.parse(JSON.stringify(optimisation ? { training: spec, optimisation: optimisation.wanted } : spec)) as NonNullable<PackageMaterials['configuration']>,
  };
}

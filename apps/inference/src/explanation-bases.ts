import { backgroundOfRanges, type ExplanationBasis, servedTreesOf } from '@millrace/explanation';
import type { Logger } from '@millrace/kernel';
import { readBackground, readPipelineAside, verifyPackage } from '@millrace/packaging';
import type { Registry, ServedVersion } from '@millrace/registry';

/** What is read once of a version's package, and forgotten when others were explained since. */
const mostBases = 64;

/** Families whose answers may be sums of leaves. */
const mayBeTrees = new Set(['boosted_trees', 'random_forest', 'ensemble']);

export interface ExplanationBasesOptions {
  registry: Pick<Registry, 'readPackage'>;
  logger: Logger;
}

export type ExplanationBases = ReturnType<typeof createExplanationBases>;

/** With what the answers of a version are explained: kept apart from the loaded models, as few versions are ever explained. */
export function createExplanationBases({ registry, logger }: ExplanationBasesOptions) {
  const known = new Map<string, Promise<ExplanationBasis>>();

  async function read(version: ServedVersion): Promise<ExplanationBasis> {
    const { signature } = version;
    const files = await registry.readPackage(version);
    const verified = await verifyPackage(files, { digest: version.packageSha256, ...(version.signer === null ? {} : { signer: version.signer }) });
    if (verified.type === 'damaged') throw new Error(verified.problems.map(({ message }) => message).join(' '));
    const own = readBackground(files, signature);
    const read = mayBeTrees.has(signature.family) ? await readPipelineAside(files) : null;
    const trees = read?.type === 'read' ? servedTreesOf(read.pipeline, signature) : null;
    return { background: own ?? backgroundOfRanges(signature), isBackgroundKnown: own !== null, ...(trees ? { trees } : {}) };
  }

  return {
    /** Rejects where the package cannot be read; it is then tried anew. */
    of(version: ServedVersion): Promise<ExplanationBasis> {
      const key = `${version.tenantId}/${version.id}`;
      const found = known.get(key);
      known.delete(key); // the order of the map is that of last use
      const reading =
        found ??
        read(version).catch((error: unknown) => {
          known.delete(key);
          logger.error({ error: String(error), versionId: version.id, tenantId: version.tenantId }, 'what explanations need could not be read from a package');
          throw error;
        });
      known.set(key, reading);
      if (known.size > mostBases) known.delete(known.keys().next().value!);
      return reading;
    },
  };
}

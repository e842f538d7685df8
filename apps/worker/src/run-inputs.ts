import fs from 'node:fs/promises';
import path from 'node:path';
import type { Logger } from '@millrace/kernel';
import { type PackageFiles, verifyPackage } from '@millrace/packaging';
import type { Registry } from '@millrace/registry';
import type { ArtefactStore } from '@millrace/storage';
import type { ClaimedRun } from '@millrace/training';
import type { OptimisationJob, TrainerJob } from './trainer-protocol.ts';

interface InputSources {
  registry: Registry;
  storage: ArtefactStore;
  logger: Logger;
}

/** Beside the rows, which are too large to be copied. */
export interface RunInputs extends Pick<TrainerJob, 'checkpointPath' | 'bases'> {
  /** what is to be optimised; gone where its version has been deleted meanwhile */
  optimisation: OptimisationJob | 'gone' | null;
}

/** Lays into the folder of an attempt what its training process begins with. @throws Error where a package is damaged */
export async function layOutInputs(claimed: ClaimedRun, folder: string, sources: InputSources): Promise<RunInputs> {
  const checkpointPath = await fetchCheckpoint(claimed, folder, sources);
  const bases = await fetchBases(claimed, folder, sources.registry);
  return { checkpointPath, bases, optimisation: await fetchOptimisation(claimed, folder, sources.registry) };
}

async function fetchBases({ bases: wanted }: ClaimedRun, folder: string, registry: Registry): Promise<TrainerJob['bases']> {
  const bases: TrainerJob['bases'] = [];
  for (const [model, base] of wanted.entries()) {
    if (!base) {
      bases.push(null);
      continue;
    }
    const files = await registry.readPackage(base);
    const verified = await verifyPackage(files, { digest: base.packageSha256 });
    if (verified.type === 'damaged') throw new Error(`The base of model ${model + 1} is damaged: ${verified.problems[0]?.message}`);
    const graphPath = path.join(folder, `base-${model}.onnx`);
    await fs.writeFile(graphPath, files.get('model.onnx')!);
    bases.push({ modelVersionId: base.id, graphPath });
  }
  return bases;
}

async function fetchOptimisation({ optimisation }: ClaimedRun, folder: string, registry: Registry): Promise<OptimisationJob | 'gone' | null> {
  if (!optimisation) return null;
  const { wanted, base } = optimisation;
  if (!base) return 'gone';
  const packageFolder = path.join(folder, 'base');
  await writeVerifiedPackage(await registry.readPackage(base), base.packageSha256, packageFolder);
  return { wanted, packageFolder, packageSha256: base.packageSha256 };
}

async function fetchCheckpoint({ run }: ClaimedRun, folder: string, { storage, logger }: Pick<InputSources, 'storage' | 'logger'>): Promise<string | null> {
  if (!run.checkpointKey) return null;
  const file = path.join(folder, 'checkpoint-before.bin');
  try {
    await fs.writeFile(file, await storage.read(run.checkpointKey, 4 * 1024 ** 3));
    return file;
  } catch (error) {
    logger.warn({ runId: run.id, error: String(error) }, 'the checkpoint cannot be read; training begins anew');
    return null;
  }
}

/** Lays the files of a package into a folder, as its digest says that they are. */
async function writeVerifiedPackage(files: PackageFiles, digest: string, into: string): Promise<void> {
  const verified = await verifyPackage(files, { digest });
  if (verified.type === 'damaged') throw new Error(`The package of the base is damaged: ${verified.problems[0]?.message}`);
  await fs.mkdir(into, { recursive: true });
  for (const [name, bytes] of files) await fs.writeFile(path.join(into, path.basename(name)), bytes);
}

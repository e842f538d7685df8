import fs from 'node:fs/promises';
import path from 'node:path';
import type { Agreement, ModelPackage } from '@millrace/packaging';
import type { TrainerJob, TrainerMessage } from './trainer-protocol.ts';

const packageFolder = 'package';

type Left = Omit<Extract<TrainerMessage, { type: 'trained' }>, 'type' | 'trials' | 'metrics' | 'notes' | 'optimisation'>;

/** Leaves the files of a package in the work folder of a run. @returns what the worker is told of it */
export async function leavePackage({ workDirectory }: TrainerJob, { modelPackage, agreement }: { modelPackage: ModelPackage; agreement: Agreement }): Promise<Left> {
  const folder = path.join(workDirectory, packageFolder);
  await fs.mkdir(folder, { recursive: true });
  for (const [name, bytes] of modelPackage.files) await fs.writeFile(path.join(folder, name), bytes);
  return {
    agreement,
    packageFolder,
    packageSha256: modelPackage.digest,
    packageSizeBytes: modelPackage.sizeBytes,
    packageSizeGzBytes: modelPackage.gzipBytes,
  };
}

import { randomBytes } from 'node:crypto';
import fs from 'node:fs/promises';
import path from 'node:path';
import { masterKeyProblem, type MasterKeys, masterKeysOf } from '@millrace/auth';
import { isProcessAlive } from '@millrace/kernel';

/** What an installation keeps in its home beside its data. */
export interface Secrets {
  tokenSecret: string;
  keyPepper: string;
  masterKey: string;
  /** earlier master keys that keys of tenants may still be wrapped with */
  retiredMasterKeys: string[];
  roles: { app: string; system: string; worker: string };
}

/** Is there as long as artefacts from before encryption may lie in the store. */
export const plainArtefactsMark = (home: string): string => path.join(home, 'plain-artefacts');

/** From the environment, or from the home's file, which only its user can read. Null when the home has none, or only a part. */
export async function readSecrets(home: string): Promise<Secrets | null> {
  const kept = await readFile(home);
  return kept?.masterKey ? withEnvironment({ retiredMasterKeys: [], ...kept, masterKey: kept.masterKey }) : null;
}

/** As `readSecrets`, and makes what is missing, once. */
export async function makeSecrets(home: string): Promise<Secrets> {
  const random = (): string => randomBytes(32).toString('base64url');
  const kept = await readFile(home);
  if (!kept && !process.env['MILLRACE_MASTER_KEY'] && (await exists(path.join(home, 'storage/tenants')))) {
    throw new Error(
      `${secretsFile(home)} is gone, and with it the master key that the artefacts in ${home} are encrypted with. Restore that file, or set MILLRACE_MASTER_KEY; to begin anew, run: npm run db:reset`,
    );
  }
  const secrets = {
    ...(kept ?? { tokenSecret: random(), keyPepper: random(), roles: { app: random(), system: random(), worker: random() } }),
    masterKey: kept?.masterKey ?? random(),
    retiredMasterKeys: kept?.retiredMasterKeys ?? [],
  };
  if (!kept?.masterKey) {
    // First, so that a start that is cut off in between is finished by the next.
    if (kept) await fs.writeFile(plainArtefactsMark(home), '');
    await writeFile(home, secrets);
  }
  return withEnvironment(secrets);
}

function withEnvironment(secrets: Secrets): Secrets {
  return {
    ...secrets,
    tokenSecret: process.env['MILLRACE_TOKEN_SECRET'] || secrets.tokenSecret,
    keyPepper: process.env['MILLRACE_KEY_PEPPER'] || secrets.keyPepper,
    masterKey: process.env['MILLRACE_MASTER_KEY'] || secrets.masterKey,
    retiredMasterKeys: process.env['MILLRACE_RETIRED_MASTER_KEYS'] ? listOf(process.env['MILLRACE_RETIRED_MASTER_KEYS']) : secrets.retiredMasterKeys,
  };
}

export const listOf = (text: string): string[] => text.split(',').map((part) => part.trim()).filter(Boolean);

/** @throws Error that names the variable */
export function checkedMasterKeys({ masterKey, retiredMasterKeys }: Pick<Secrets, 'masterKey' | 'retiredMasterKeys'>): MasterKeys {
  for (const [variable, keys] of [['MILLRACE_MASTER_KEY', [masterKey]], ['MILLRACE_RETIRED_MASTER_KEYS', retiredMasterKeys]] as const) {
    for (const problem of keys.map(masterKeyProblem)) if (problem) throw new Error(`${variable} ${problem}`);
  }
  return masterKeysOf(masterKey, retiredMasterKeys);
}

/** As it lies there; installations from before encryption have no master key in it. */
type SecretsFile = Omit<Secrets, 'masterKey' | 'retiredMasterKeys'> & Partial<Secrets>;

const exists = (file: string): Promise<boolean> => fs.access(file).then(() => true, () => false);
const secretsFile = (home: string): string => path.join(home, 'secrets.json');

async function readFile(home: string): Promise<SecretsFile | null> {
  const text = await fs.readFile(secretsFile(home), 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return null;
    throw error;
  });
  return text === null ? null : (JSON.parse(text) as SecretsFile);
}

/** In one step: with a master key that were cut off, every artefact would be lost. */
async function writeFile(home: string, secrets: Secrets): Promise<void> {
  const file = secretsFile(home);
  const handle = await fs.open(`${file}.new`, 'w', 0o600);
  try {
    await handle.writeFile(JSON.stringify(secrets, null, 2));
    await handle.sync();
  } finally {
    await handle.close();
  }
  await fs.rename(`${file}.new`, file);
}

/** The process that serves this home, other than this one, or null. A killed one leaves its file behind. */
export async function runningSupervisor(home: string): Promise<number | null> {
  const owner = Number(await fs.readFile(path.join(home, 'supervisor.pid'), 'utf8').catch(() => '0'));
  return owner && owner !== process.pid && (await isSupervisor(owner)) ? owner : null;
}

/** A process id may be in use again by something else after a crash or a restart of the machine. */
async function isSupervisor(processId: number): Promise<boolean> {
  if (!isProcessAlive(processId)) return false;
  const command = await fs.readFile(`/proc/${processId}/cmdline`, 'utf8').catch(() => null);
  return command === null || command.includes('supervisor');
}

import os from 'node:os';
import { masterKeyKind } from '@millrace/auth';
import { databaseUrlSetting, parseEnvironment, secretListSetting, secretSetting } from '@millrace/kernel';
import { z } from 'zod';

const schema = z.object({
  /** logs in as millrace_app */
  MILLRACE_APP_DATABASE_URL: databaseUrlSetting,
  /** logs in as millrace_worker */
  MILLRACE_WORKER_DATABASE_URL: databaseUrlSetting,
  MILLRACE_STORAGE_DIRECTORY: z.string(),
  MILLRACE_MASTER_KEY: secretSetting(masterKeyKind),
  MILLRACE_RETIRED_MASTER_KEYS: secretListSetting(masterKeyKind),
  /** scratch space for runs in progress, and for artefacts that are decrypted for as long as they are in use */
  MILLRACE_WORK_DIRECTORY: z.string().default(os.tmpdir()),
  MILLRACE_WORKER_NAME: z.string().max(100).default(`${os.hostname()}:${process.pid}`),
  /** runs trained at once */
  MILLRACE_WORKER_CONCURRENCY: z.coerce.number().int().min(1).max(64).default(1),
  /** where the search for a compute backend begins: cuda, then wasm, then cpu */
  MILLRACE_BACKEND: z.enum(['cuda', 'wasm', 'cpu']).default('cuda'),
  /** the most that a training process gets, whatever its run may have */
  MILLRACE_TRAINER_MEMORY_MB: z.coerce.number().int().min(128).default(4096),
  /** how long this worker may be silent before its runs are given to another */
  MILLRACE_WORKER_LEASE_SECONDS: z.coerce.number().int().min(3).max(600).default(15),
  /** at most one checkpoint of a run in so many seconds */
  MILLRACE_CHECKPOINT_SECONDS: z.coerce.number().min(0).max(3600).default(2),
  MILLRACE_WORKER_METRICS_PORT: z.coerce.number().int().min(0).max(65535).default(9465),
  MILLRACE_LOG_LEVEL: z.enum(['trace', 'debug', 'info', 'warn', 'error', 'silent']).default('info'),
});

export type Environment = z.output<typeof schema>;

/** Reads the environment of this process; on any mistake prints all of them and ends it. */
export function readEnvironment(): Environment {
  const result = parseEnvironment(schema, process.env);
  if (result.type === 'valid') return result.value;
  process.stderr.write(`The worker cannot start:\n${result.problems.map((problem) => `  ${problem}\n`).join('')}`);
  process.exit(1);
}

/** What a training process needs of the environment: no address of the database, no secret. Its temporary files hold rows of data. */
export function trainerEnvironment(temporaryFolder: string): Record<string, string> {
  const passed = ['PATH', 'HOME', 'LD_LIBRARY_PATH', 'CUDA_VISIBLE_DEVICES', 'CUDA_CACHE_PATH', 'TF_FORCE_GPU_ALLOW_GROWTH'];
  return {
    ...Object.fromEntries(passed.flatMap((name) => (process.env[name] === undefined ? [] : [[name, process.env[name]]]))),
    TMPDIR: temporaryFolder,
    TEMP: temporaryFolder,
  };
}

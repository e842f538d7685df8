import os from 'node:os';
import { masterKeyKind } from '@millrace/auth';
import {
  createTrustedProxies,
  databaseUrlSetting,
  originsSetting,
  parseEnvironment,
  secretListSetting,
  secretSetting,
  trustedProxiesSetting,
} from '@millrace/kernel';
import { z } from 'zod';

const mebibyte = 1024 ** 2;

const schema = z
  .object({
    MILLRACE_INFERENCE_PORT: z.coerce.number().int().min(0).max(65_535).default(8000),
    MILLRACE_INFERENCE_HOST: z.string().default('127.0.0.1'),
    MILLRACE_APP_DATABASE_URL: databaseUrlSetting,
    MILLRACE_SYSTEM_DATABASE_URL: databaseUrlSetting,
    MILLRACE_STORAGE_DIRECTORY: z.string(),
    MILLRACE_JOURNAL_DIRECTORY: z.string(),
    /** for artefacts that are decrypted for as long as they are in use */
    MILLRACE_WORK_DIRECTORY: z.string().default(os.tmpdir()),
    MILLRACE_MASTER_KEY: secretSetting(masterKeyKind),
    MILLRACE_RETIRED_MASTER_KEYS: secretListSetting(masterKeyKind),
    MILLRACE_TOKEN_SECRET: secretSetting(),
    MILLRACE_RETIRED_TOKEN_SECRETS: secretListSetting(),
    MILLRACE_KEY_PEPPER: secretSetting(),
    MILLRACE_RETIRED_KEY_PEPPERS: secretListSetting(),
    MILLRACE_MODEL_CACHE_BYTES: z.coerce.number().int().min(mebibyte).default(1024 * mebibyte),
    /** for models that take long, beside the one of the server; 0: all run in that */
    MILLRACE_MODEL_THREADS: z.coerce.number().int().min(0).max(64).default(Math.min(4, Math.max(1, os.availableParallelism() - 1))),
    MILLRACE_MAX_BODY_BYTES: z.coerce.number().int().min(1024).default(8 * mebibyte),
    /** between "not ready" and closing, so that a balancer can look elsewhere first */
    MILLRACE_DRAIN_MS: z.coerce.number().int().min(0).max(60_000).default(0),
    /** predictions accepted for later that this process makes at a time; 0 leaves them to others */
    MILLRACE_ASYNC_SLOTS: z.coerce.number().int().min(0).max(256).default(4),
    /** of a tenant, that may wait: how many, and the bytes of their inputs */
    MILLRACE_ASYNC_QUEUE: z.coerce.number().int().min(1).max(100_000).default(1000),
    MILLRACE_ASYNC_QUEUE_BYTES: z.coerce.number().int().min(mebibyte).default(256 * mebibyte),
    /** what has ended is kept for so long */
    MILLRACE_ASYNC_KEEP_HOURS: z.coerce.number().int().min(1).max(720).default(24),
    /** how long a process that makes one may be silent before another does */
    MILLRACE_ASYNC_LEASE_MS: z.coerce.number().int().min(1_000).max(600_000).default(30_000),
    /** what the recorded predictions of one tenant may take in the database */
    MILLRACE_RECORDED_BYTES: z.coerce.number().int().min(mebibyte).default(1024 * mebibyte),
    MILLRACE_CORS_ORIGINS: originsSetting.default([]),
    MILLRACE_TRUSTED_PROXIES: trustedProxiesSetting.default(createTrustedProxies()),
    MILLRACE_LOG_LEVEL: z.enum(['trace', 'debug', 'info', 'warn', 'error']).default('info'),
  })
  .refine((env) => ![env.MILLRACE_TOKEN_SECRET, env.MILLRACE_KEY_PEPPER].some((other) => other.reveal() === env.MILLRACE_MASTER_KEY.reveal()), {
    path: ['MILLRACE_MASTER_KEY'],
    error: 'must differ from MILLRACE_TOKEN_SECRET and MILLRACE_KEY_PEPPER',
  });

export type Environment = z.output<typeof schema>;

/** The settings of this process, or all that is wrong with them. */
export function readEnvironment(): { type: 'valid'; value: Environment } | { type: 'invalid'; problems: string[] } {
  return parseEnvironment(schema, process.env);
}

import { parseEnvironment } from '@millrace/kernel';
import { z } from 'zod';

const mebibyte = 1024 ** 2;
const secret = z.string().min(32, 'must have at least 32 characters');

const schema = z.object({
  MILLRACE_INFERENCE_PORT: z.coerce.number().int().min(0).max(65_535).default(8000),
  MILLRACE_INFERENCE_HOST: z.string().default('127.0.0.1'),
  MILLRACE_APP_DATABASE_URL: z.url(),
  MILLRACE_SYSTEM_DATABASE_URL: z.url(),
  MILLRACE_STORAGE_DIRECTORY: z.string(),
  MILLRACE_JOURNAL_DIRECTORY: z.string(),
  MILLRACE_TOKEN_SECRET: secret,
  MILLRACE_RETIRED_TOKEN_SECRETS: z
    .string()
    .default('')
    .transform((text) => text.split(',').map((one) => one.trim()).filter(Boolean))
    .pipe(z.array(secret)),
  MILLRACE_KEY_PEPPER: secret,
  MILLRACE_MODEL_CACHE_BYTES: z.coerce.number().int().min(mebibyte).default(1024 * mebibyte),
  MILLRACE_MAX_BODY_BYTES: z.coerce.number().int().min(1024).default(8 * mebibyte),
  /** between "not ready" and closing, so that a balancer can look elsewhere first */
  MILLRACE_DRAIN_MS: z.coerce.number().int().min(0).max(60_000).default(0),
  MILLRACE_LOG_LEVEL: z.enum(['debug', 'info', 'warn', 'error']).default('info'),
});

export type Environment = z.output<typeof schema>;

/** The settings of this process, or all that is wrong with them. */
export function readEnvironment(): { type: 'valid'; value: Environment } | { type: 'invalid'; problems: string[] } {
  return parseEnvironment(schema, process.env);
}

import os from 'node:os';
import { masterKeyKind, parseKey } from '@millrace/auth';
import {
  createTrustedProxies,
  databaseUrlSetting,
  originsSetting,
  parseEnvironment,
  Secret,
  secretListSetting,
  secretSetting,
  trustedProxiesSetting,
} from '@millrace/kernel';
import { isNetwork } from '@millrace/outbound';
import { z } from 'zod';
import { complexityLimit } from './operation-limits.ts';

const port = (fallback: number) => z.coerce.number({ error: 'must be a port number' }).int().min(0).max(65_535).default(fallback);
const serverUrl = z.url({ protocol: /^https?$/, error: 'must be an http:// or https:// address' });
const networks = z
  .string()
  .default('')
  .transform((text) => text.split(',').map((network) => network.trim()).filter(Boolean))
  .refine((list) => list.every(isNetwork), 'must be networks such as 10.0.0.0/8, separated by commas');

const environmentSchema = z
  .object({
    MILLRACE_API_HOST: z.string().default('127.0.0.1'),
    MILLRACE_API_PORT: port(4000),
    MILLRACE_METRICS_PORT: port(9464),
    MILLRACE_APP_DATABASE_URL: databaseUrlSetting,
    MILLRACE_SYSTEM_DATABASE_URL: databaseUrlSetting,
    MILLRACE_STORAGE_DIRECTORY: z.string({ error: 'is missing: the folder of the artefact store' }),
    /** for artefacts that are decrypted for as long as they are in use */
    MILLRACE_WORK_DIRECTORY: z.string().default(os.tmpdir()),
    MILLRACE_MASTER_KEY: secretSetting(masterKeyKind),
    MILLRACE_RETIRED_MASTER_KEYS: secretListSetting(masterKeyKind),
    MILLRACE_TOKEN_SECRET: secretSetting(),
    MILLRACE_RETIRED_TOKEN_SECRETS: secretListSetting(),
    MILLRACE_KEY_PEPPER: secretSetting(),
    MILLRACE_RETIRED_KEY_PEPPERS: secretListSetting(),
    MILLRACE_INFERENCE_URL: serverUrl.default('http://127.0.0.1:8000'),
    MILLRACE_PUBLIC_INFERENCE_URL: serverUrl.optional(),
    MILLRACE_PUBLIC_URL: serverUrl.optional(),
    MILLRACE_SMTP_URL: z
      .url({ protocol: /^smtps?$/, error: 'must be an smtp:// or smtps:// address' })
      .transform((value) => new Secret(value))
      .optional(),
    MILLRACE_MAIL_FROM: z.string().regex(/^[^\s@]+@[^\s@]+$|^[^<>\r\n]+ <[^\s@]+@[^\s@]+>$/, 'must be an e-mail address, or a name and an <address>').optional(),
    MILLRACE_OUTBOUND_NETWORKS: networks,
    MILLRACE_CONSOLE_DIRECTORY: z.string().optional(),
    MILLRACE_MAX_UPLOAD_BYTES: z.coerce.number({ error: 'must be a number of bytes' }).int().min(1024).default(1024 ** 3),
    MILLRACE_CORS_ORIGINS: originsSetting.default([]),
    MILLRACE_TRUSTED_PROXIES: trustedProxiesSetting.default(createTrustedProxies()),
    MILLRACE_TRUSTED_DOCUMENTS: z.enum(['off', 'console', 'all'], { error: 'must be off, console or all' }).optional(),
    // No less than the costliest single operation.
    MILLRACE_API_COST_PER_MINUTE: z.coerce.number({ error: 'must be a number of cost units' }).int().min(complexityLimit).default(600_000),
    MILLRACE_LOG_LEVEL: z.enum(['trace', 'debug', 'info', 'warn', 'error'], { error: 'must be trace, debug, info, warn or error' }).default('info'),
    NODE_ENV: z.string().optional(),
    MILLRACE_SETUP_LINK: z.stringbool().default(true),
    MILLRACE_INIT_TENANT: z.string().optional(),
    MILLRACE_INIT_EMAIL: z.string().optional(),
    MILLRACE_INIT_PASSWORD: z.string().transform((value) => new Secret(value)).optional(),
    MILLRACE_INIT_API_KEY: z
      .string()
      .refine((text) => parseKey(text) !== null, { error: 'is no API key, or one with a typo: make one with npm run new-key', abort: true })
      .transform((value) => new Secret(value))
      .optional(),
    MILLRACE_PURGE_DAYS: z.coerce.number({ error: 'must be a number of days' }).int().min(1).max(3650).default(30),
  })
  .refine(({ MILLRACE_TOKEN_SECRET: token, MILLRACE_KEY_PEPPER: pepper }) => token.reveal() !== pepper.reveal(), {
    path: ['MILLRACE_KEY_PEPPER'],
    error: 'must differ from MILLRACE_TOKEN_SECRET',
  })
  .refine((env) => ![env.MILLRACE_TOKEN_SECRET, env.MILLRACE_KEY_PEPPER].some((other) => other.reveal() === env.MILLRACE_MASTER_KEY.reveal()), {
    path: ['MILLRACE_MASTER_KEY'],
    error: 'must differ from MILLRACE_TOKEN_SECRET and MILLRACE_KEY_PEPPER',
  })
  .refine(
    (env) => {
      const inUse = [env.MILLRACE_TOKEN_SECRET, env.MILLRACE_KEY_PEPPER].map((secret) => secret.reveal());
      return !env.MILLRACE_RETIRED_TOKEN_SECRETS.some((retired) => inUse.includes(retired.reveal()));
    },
    { path: ['MILLRACE_RETIRED_TOKEN_SECRETS'], error: 'must differ from MILLRACE_TOKEN_SECRET and MILLRACE_KEY_PEPPER' },
  )
  .refine((env) => (env.MILLRACE_SMTP_URL === undefined) === (env.MILLRACE_MAIL_FROM === undefined), {
    path: ['MILLRACE_SMTP_URL'],
    error: 'and MILLRACE_MAIL_FROM belong together: give both or none',
  })
  .refine((env) => env.MILLRACE_SMTP_URL === undefined || env.MILLRACE_PUBLIC_URL !== undefined, {
    path: ['MILLRACE_PUBLIC_URL'],
    error: 'is missing: the links in mails lead there',
  })
  .refine((env) => new Set([env.MILLRACE_INIT_TENANT, env.MILLRACE_INIT_EMAIL, env.MILLRACE_INIT_PASSWORD].map((value) => value === undefined)).size === 1, {
    path: ['MILLRACE_INIT_TENANT'],
    error: 'and MILLRACE_INIT_EMAIL and MILLRACE_INIT_PASSWORD belong together: give all three or none',
  })
  .refine((env) => env.MILLRACE_INIT_API_KEY === undefined || env.MILLRACE_INIT_TENANT !== undefined, {
    path: ['MILLRACE_INIT_API_KEY'],
    error: 'is for the tenant of MILLRACE_INIT_TENANT: give that one too',
  });

export type Environment = z.output<typeof environmentSchema>;

/** All problems are found together. */
export function readEnvironment(variables: Record<string, string | undefined> = process.env): { type: 'valid'; value: Environment } | { type: 'invalid'; problems: string[] } {
  return parseEnvironment(environmentSchema, variables);
}

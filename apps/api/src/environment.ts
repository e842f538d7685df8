import { parseEnvironment } from '@millrace/kernel';
import { z } from 'zod';

const secret = z
  .string({ error: 'is missing: make one, for example with openssl rand -base64 48' })
  .min(32, 'is shorter than 32 characters: make one, for example with openssl rand -base64 48')
  .refine((value) => new Set(value).size >= 8 && !/^(change|replace|example|secret)/i.test(value), 'is no secret: make one, for example with openssl rand -base64 48');
const secrets = z
  .string()
  .default('')
  .transform((text) => text.split(',').map((one) => one.trim()).filter(Boolean))
  .pipe(z.array(secret));
const port = (fallback: number) => z.coerce.number({ error: 'must be a port number' }).int().min(0).max(65_535).default(fallback);
const databaseUrl = z.url({ protocol: /^postgres(ql)?$/, error: 'must be a postgresql:// address' });
const serverUrl = z.url({ protocol: /^https?$/, error: 'must be an http:// or https:// address' });

const environmentSchema = z
  .object({
    MILLRACE_API_HOST: z.string().default('127.0.0.1'),
    MILLRACE_API_PORT: port(4000),
    MILLRACE_METRICS_PORT: port(9464),
    MILLRACE_APP_DATABASE_URL: databaseUrl,
    MILLRACE_SYSTEM_DATABASE_URL: databaseUrl,
    MILLRACE_STORAGE_DIRECTORY: z.string({ error: 'is missing: the folder of the artefact store' }),
    MILLRACE_TOKEN_SECRET: secret,
    MILLRACE_RETIRED_TOKEN_SECRETS: secrets,
    MILLRACE_KEY_PEPPER: secret,
    MILLRACE_INFERENCE_URL: serverUrl.default('http://127.0.0.1:8000'),
    MILLRACE_PUBLIC_INFERENCE_URL: serverUrl.optional(),
    MILLRACE_PUBLIC_URL: serverUrl.optional(),
    MILLRACE_SMTP_URL: z.url({ protocol: /^smtps?$/, error: 'must be an smtp:// or smtps:// address' }).optional(),
    MILLRACE_MAIL_FROM: z.string().regex(/^[^\s@]+@[^\s@]+$|^[^<>\r\n]+ <[^\s@]+@[^\s@]+>$/, 'must be an e-mail address, or a name and an <address>').optional(),
    MILLRACE_CONSOLE_DIRECTORY: z.string().optional(),
    MILLRACE_MAX_UPLOAD_BYTES: z.coerce.number({ error: 'must be a number of bytes' }).int().min(1024).default(1024 ** 3),
    MILLRACE_LOG_LEVEL: z.enum(['debug', 'info', 'warn', 'error'], { error: 'must be debug, info, warn or error' }).default('info'),
    NODE_ENV: z.string().optional(),
    MILLRACE_SETUP_LINK: z.stringbool().default(true),
    MILLRACE_INIT_TENANT: z.string().optional(),
    MILLRACE_INIT_EMAIL: z.string().optional(),
    MILLRACE_INIT_PASSWORD: z.string().optional(),
  })
  .refine(({ MILLRACE_TOKEN_SECRET: token, MILLRACE_KEY_PEPPER: pepper }) => token !== pepper, {
    path: ['MILLRACE_KEY_PEPPER'],
    error: 'must differ from MILLRACE_TOKEN_SECRET',
  })
  .refine((env) => !env.MILLRACE_RETIRED_TOKEN_SECRETS.some((retired) => [env.MILLRACE_TOKEN_SECRET, env.MILLRACE_KEY_PEPPER].includes(retired)), {
    path: ['MILLRACE_RETIRED_TOKEN_SECRETS'],
    error: 'must differ from MILLRACE_TOKEN_SECRET and MILLRACE_KEY_PEPPER',
  })
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
  });

export type Environment = z.output<typeof environmentSchema>;

/** All problems are found together. */
export function readEnvironment(variables: Record<string, string | undefined> = process.env): { type: 'valid'; value: Environment } | { type: 'invalid'; problems: string[] } {
  return parseEnvironment(environmentSchema, variables);
}

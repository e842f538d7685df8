import { generateKey } from '@millrace/auth';

/** An API key for MILLRACE_INIT_API_KEY: worth something only where it is registered. */
process.stdout.write(`${generateKey().key}\n`);

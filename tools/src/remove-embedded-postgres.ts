import path from 'node:path';
import { removeEmbeddedPostgres } from '@millrace/database';
import { silentLogger } from '@millrace/kernel';

/** For `npm run db:reset`, which says in which home. */
await removeEmbeddedPostgres({ directory: path.join(process.argv[2]!, 'postgres'), logger: silentLogger });

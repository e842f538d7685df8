import { existsSync } from 'node:fs';
import path from 'node:path';
import { startEmbeddedPostgres } from '@millrace/database';
import { silentLogger } from '@millrace/kernel';

/** Takes the embedded server over, if one was left running, and stops it. */
const directory = path.join(process.argv[2]!, 'postgres');
if (existsSync(path.join(directory, 'cluster.json'))) {
  const server = await startEmbeddedPostgres({ directory, database: 'millrace', logger: silentLogger });
  await server.stop();
}

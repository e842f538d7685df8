#!/usr/bin/env node
/**
 * Stands in for Prisma's native schema engine: speaks its JSON-RPC over stdio, answered by the WebAssembly build of the
 * same engine (@prisma/schema-engine-wasm) over the Postgres driver adapter. A development tool only: at run time
 * migrations are applied by libs/database. docs/adr/0003-prisma-without-downloads.md says why it exists and lists the
 * adapter's defects that are mended here.
 */
import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import readline from 'node:readline';
import { parseArgs } from 'node:util';
import { PrismaPg } from '@prisma/adapter-pg';
import { bindMigrationAwareSqlAdapterFactory, ColumnTypeEnum } from '@prisma/driver-adapter-utils';
import pg from 'pg';

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  strict: false,
  options: {
    datamodels: { type: 'string', multiple: true },
    datasource: { type: 'string' },
    'enabled-preview-features': { type: 'string' },
    'extension-types': { type: 'string' },
    version: { type: 'boolean' },
  },
});

const wasm = await loadEngine();
if (options.version) {
  console.log(`schema-engine-cli ${wasm.version()}`);
  process.exit(0);
}
const datasource = options.datasource ? JSON.parse(options.datasource) : {};
if (positionals[0] === 'cli') await runCliCommand(positionals[1]);
else serveJsonRpc();

async function loadEngine() {
  const glue = createRequire(import.meta.url).resolve('@prisma/schema-engine-wasm/schema_engine_bg');
  const engine = await import(glue);
  const { instance } = await WebAssembly.instantiate(readFileSync(glue.replace(/\.js$/, '.wasm')), {
    './schema_engine_bg.js': engine,
  });
  engine.__wbg_set_wasm(instance.exports);
  instance.exports.__wbindgen_start();
  return engine;
}

function connectionOf(url) {
  const parsed = new URL(url);
  return {
    schema: parsed.searchParams.get('schema') ?? undefined,
    pool: {
      // Given one by one: a connection string would win over the name of a shadow database.
      host: parsed.hostname,
      port: Number(parsed.port || 5432),
      user: decodeURIComponent(parsed.username),
      password: parsed.password ? decodeURIComponent(parsed.password) : undefined,
      database: decodeURIComponent(parsed.pathname.slice(1)),
      max: 1,
    },
  };
}

async function asAdministrator(url, work) {
  const { pool } = connectionOf(url);
  const client = new pg.Client({ ...pool, database: 'postgres' });
  await client.connect();
  try {
    return await work(client, pool.database);
  } finally {
    await client.end();
  }
}

function createDatabase(url) {
  return asAdministrator(url, async (client, database) => {
    try {
      await client.query(`CREATE DATABASE ${client.escapeIdentifier(database)}`);
    } catch (error) {
      if (error.code !== '42P04') throw error; // exists already
    }
    return database;
  });
}

/** Maps pg's internal "char" type (OID 18), for which the adapter has no mapping; introspection needs it. */
function mapInternalChar(queryable) {
  const performIO = queryable.performIO.bind(queryable);
  const queryRaw = queryable.queryRaw.bind(queryable);
  let charColumns = [];
  queryable.performIO = async (query) => {
    const result = await performIO(query);
    charColumns = [];
    result.fields?.forEach((field, index) => {
      if (field.dataTypeID !== 18) return;
      charColumns.push(index);
      field.dataTypeID = 25;
    });
    return result;
  };
  queryable.queryRaw = async (query) => {
    const result = await queryRaw(query);
    for (const index of charColumns) result.columnTypes[index] = ColumnTypeEnum.Character;
    return result;
  };
  return queryable;
}

/** Runs a script as one simple query, as the native engine does: the adapter would split it at every semicolon. */
function mendAdapter(adapter) {
  mapInternalChar(adapter);
  const startTransaction = adapter.startTransaction.bind(adapter);
  adapter.startTransaction = async (isolation) => mapInternalChar(await startTransaction(isolation));
  adapter.executeScript = async (sql) => {
    await adapter.executeRaw({ sql, args: [], argTypes: [] });
  };
  return adapter;
}

const openAdapters = [];

class AdapterFactory extends PrismaPg {
  async connect() {
    const adapter = mendAdapter(await super.connect());
    openAdapters.push(adapter);
    return adapter;
  }

  async connectToShadowDb() {
    if (datasource.shadowDatabaseUrl) {
      const { pool, schema } = connectionOf(datasource.shadowDatabaseUrl);
      return mendAdapter(await new PrismaPg(pool, { schema }).connect());
    }
    const { pool, schema } = connectionOf(datasource.url);
    const database = `prisma_migrate_shadow_db_${randomUUID()}`;
    await asAdministrator(datasource.url, (client) => client.query(`CREATE DATABASE "${database}"`));
    const adapter = mendAdapter(await new PrismaPg({ ...pool, database }, { schema }).connect());
    const dispose = adapter.dispose.bind(adapter);
    adapter.dispose = async () => {
      await dispose(); // its own pool first, or the drop finds the database in use
      await asAdministrator(datasource.url, (client) => client.query(`DROP DATABASE IF EXISTS "${database}" WITH (FORCE)`));
    };
    return adapter;
  }
}

/** A fresh engine a request: a reused one loses its shadow database factory after it has applied migrations. */
async function freshEngine() {
  while (openAdapters.length) await openAdapters.pop().dispose();
  const { pool, schema } = connectionOf(datasource.url ?? 'postgresql://none.invalid:1/none');
  const factory = bindMigrationAwareSqlAdapterFactory(new AdapterFactory(pool, { schema }));
  const datamodels = options.datamodels?.map((file) => [file, readFileSync(file, 'utf8')]);
  return wasm.SchemaEngine.new({ datamodels }, () => {}, factory);
}

async function answer(method, params) {
  if (method === 'createDatabase') return { databaseName: await createDatabase(params?.datasource?.url ?? datasource.url) };
  const engine = await freshEngine();
  const name = method === 'getDatabaseVersion' ? 'version' : method;
  if (typeof engine[name] !== 'function') throw new Error(`the WebAssembly schema engine has no method ${method}`);
  if ((name === 'evaluateDataLoss' || name === 'createMigration') && params.migrationsList) {
    // Sets up the shadow database connection, which these two calls alone do not.
    await engine.devDiagnostic({ migrationsList: params.migrationsList, filters: params.filters });
  }
  return engine[name](params);
}

function serveJsonRpc() {
  const send = (message) => process.stdout.write(`${JSON.stringify({ jsonrpc: '2.0', ...message })}\n`);
  let nextPrintId = 1;
  let queue = Promise.resolve();
  const lines = readline.createInterface({ input: process.stdin });
  lines.on('line', (line) => {
    let message;
    try {
      message = JSON.parse(line);
    } catch {
      return;
    }
    if (!message.method) return; // an answer to one of our own prints
    queue = queue.then(async () => {
      try {
        const result = await answer(message.method, message.params);
        if (message.method === 'diff' && result?.stdout) {
          send({ id: nextPrintId++, method: 'print', params: { content: result.stdout } });
        }
        send({ id: message.id, result: result ?? null });
      } catch (error) {
        const data = { is_panic: false, message: error.message, meta: error.meta ?? null, error_code: error.code ?? null };
        send({ id: message.id, error: { code: 4466, message: 'An error happened. Check the data field for details.', data } });
      }
    });
  });
  lines.on('close', () => queue.finally(() => process.exit(0)));
}

async function runCliCommand(command) {
  try {
    if (command === 'can-connect-to-database') {
      const client = new pg.Client({ ...connectionOf(datasource.url).pool, connectionTimeoutMillis: 5000 });
      await client.connect();
      await client.end();
    } else if (command === 'create-database') {
      await createDatabase(datasource.url);
    } else if (command === 'drop-database') {
      await asAdministrator(datasource.url, (client, database) =>
        client.query(`DROP DATABASE IF EXISTS ${client.escapeIdentifier(database)}`),
      );
    } else {
      throw new Error(`unknown command ${command}`);
    }
    process.exit(0);
  } catch (error) {
    const codes = { '3D000': 'P1003', ECONNREFUSED: 'P1001', '28P01': 'P1000' };
    const log = (level, fields) =>
      process.stderr.write(`${JSON.stringify({ level, timestamp: new Date().toISOString(), target: 'schema_engine::logger', fields })}\n`);
    log('INFO', { message: 'schema-engine (WebAssembly)' });
    log('ERROR', { message: error.message, error_code: codes[error.code] ?? 'P1010' });
    process.exit(1);
  }
}

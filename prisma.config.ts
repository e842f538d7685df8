import { existsSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { defineConfig } from 'prisma/config';

/**
 * Prisma's CLI wants a native schema engine, which its package fetches from a download host at install time. Where that
 * has not happened, tools/prisma/schema-engine.mjs answers in its place, from the WebAssembly build in the registry.
 */
const engines = path.resolve('node_modules/@prisma/engines');
const hasNative = existsSync(engines) && readdirSync(engines).some((file) => file.startsWith('schema-engine-'));
if (!hasNative) process.env['PRISMA_SCHEMA_ENGINE_BINARY'] ??= path.resolve('tools/prisma/schema-engine.mjs');

export default defineConfig({
  schema: 'prisma/schema',
  migrations: { path: 'prisma/migrations' },
  datasource: {
    url: process.env['DATABASE_URL'] ?? 'postgresql://localhost:5432/millrace',
    ...(process.env['SHADOW_DATABASE_URL'] ? { shadowDatabaseUrl: process.env['SHADOW_DATABASE_URL'] } : {}),
  },
});

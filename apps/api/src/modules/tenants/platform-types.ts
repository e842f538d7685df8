import type { DatabaseHealth } from '@millrace/auth';
import { builder } from '../../schema-builder.ts';

/** How the installation is, as far as the API can tell. */
export interface PlatformHealth extends DatabaseHealth {
  /** of the artefact store; null where it cannot be told */
  storage: { freeBytes: bigint; totalBytes: bigint } | null;
  version: string;
  nodeVersion: string;
}

const migrationsType = builder.objectRef<DatabaseHealth['migrations']>('MigrationState').implement({
  description: 'Which version the database has.',
  fields: (t) => ({
    applied: t.exposeInt('applied', { description: 'How many migrations are applied.' }),
    latest: t.exposeString('latest', { nullable: true, description: 'Name of the latest.' }),
    unfinished: t.exposeStringList('unfinished', { description: 'Names of those that failed half way: a person has to look.' }),
  }),
});

const tenantCountsType = builder.objectRef<DatabaseHealth['tenants']>('TenantCounts').implement({
  description: 'How many tenants there are.',
  fields: (t) => ({
    active: t.exposeInt('active', { description: 'Open ones.' }),
    suspended: t.exposeInt('suspended', { description: 'Suspended ones.' }),
    deleted: t.exposeInt('deleted', { description: 'Deleted ones that are not purged yet.' }),
  }),
});

const queueHealthType = builder.objectRef<DatabaseHealth['queue']>('QueueHealth').implement({
  description: 'The queue of all tenants’ runs, and who works on it.',
  fields: (t) => ({
    queued: t.exposeInt('queued', { description: 'Runs that wait.' }),
    running: t.exposeInt('running', { description: 'Runs at work.' }),
    oldestWaitSeconds: t.exposeFloat('oldestWaitSeconds', { nullable: true, description: 'How long the first that might be claimed has waited; null when none waits.' }),
    workers: t.exposeInt('workers', { description: 'Worker processes connected at this moment.' }),
  }),
});

const storageHealthType = builder.objectRef<NonNullable<PlatformHealth['storage']>>('StorageHealth').implement({
  description: 'The disk of the artefact store.',
  fields: (t) => ({
    freeBytes: t.expose('freeBytes', { type: 'BigInt', description: 'What is free on it.' }),
    totalBytes: t.expose('totalBytes', { type: 'BigInt', description: 'What it holds in all.' }),
  }),
});

const platformHealthType = builder.objectRef<PlatformHealth>('PlatformHealth').implement({
  description: 'How the installation is. A database that does not answer answers this with UNAVAILABLE.',
  fields: (t) => ({
    version: t.exposeString('version', { description: 'Of Millrace.' }),
    nodeVersion: t.exposeString('nodeVersion', { description: 'Of Node.js under the API.' }),
    postgresVersion: t.exposeString('postgresVersion', { description: 'Of the database server.' }),
    databaseBytes: t.expose('sizeBytes', { type: 'BigInt', description: 'Size of the database.' }),
    migrations: t.expose('migrations', { type: migrationsType, description: 'Which version the database has.' }),
    tenants: t.expose('tenants', { type: tenantCountsType, description: 'How many tenants there are.' }),
    queue: t.expose('queue', { type: queueHealthType, description: 'The runs of all tenants.' }),
    storage: t.expose('storage', { type: storageHealthType, nullable: true, description: 'The disk of the artefact store; null where it cannot be told.' }),
  }),
});

builder.queryField('platformHealth', (t) =>
  t.field({
    type: platformHealthType,
    authScopes: { permission: 'platform:read' },
    description: 'For operators: how the installation is.',
    resolve: (_root, _args, { services, signedIn }) => services.platformHealth(signedIn),
  }),
);

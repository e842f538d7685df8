export {
  type Channel,
  createDatabase,
  type Database,
  notify,
  type SystemTx,
  type TenantDb,
  type TenantTx,
  violatesUnique,
} from './database.ts';
export { removeEmbeddedPostgres, startEmbeddedPostgres } from './embedded-postgres.ts';
export { freePort, isPortFree } from './free-port.ts';
export { migrate, migrationsDigest, provisionRoles, roleUrls } from './migrate.ts';
export { listenerName } from './listener.ts';
export type { ReadSession } from './read-session.ts';
export { Prisma } from './generated/prisma/client.ts';
export type {
  AccessGrant,
  ApiKey,
  AsyncPrediction,
  Dataset,
  DatasetVersion,
  DomainClaim,
  Endpoint,
  Invitation,
  Membership,
  Model,
  ModelAlias,
  ModelImport,
  Rollout,
  ModelVersion,
  Person,
  Plan,
  QuotaCounter,
  Run,
  RunEvent,
  RunMetric,
  Session,
  SigningKey,
  SsoConnection,
  Tenant,
  TenantKey,
  Trial,
  TrustedKey,
  Upload,
  UsageLimit,
  UsageRecord,
  WebhookSecret,
} from './generated/prisma/client.ts';
export * as databaseEnums from './generated/prisma/enums.ts';
export type { default as PothosTypes } from './generated/pothos-types.ts';
export { getDatamodel as pothosDatamodel } from './generated/pothos-types.ts';

export {
  type Channel,
  createDatabase,
  type Database,
  type DatabaseOptions,
  notify,
  type SystemDb,
  type SystemTx,
  type TenantDb,
  type TenantTx,
  violatesUnique,
} from './database.ts';
export { type EmbeddedPostgres, removeEmbeddedPostgres, startEmbeddedPostgres } from './embedded-postgres.ts';
export { freePort, isPortFree } from './free-port.ts';
export { migrate, migrationsDigest, provisionRoles, type RolePasswords, roleUrls } from './migrate.ts';
export { listenerName } from './listener.ts';
export type { ReadSession } from './read-session.ts';
export { Prisma } from './generated/prisma/client.ts';
export type {
  AccessGrant,
  ApiKey,
  AsyncPrediction,
  AuditEvent,
  AuditLink,
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
  SsoIdentity,
  Tenant,
  TenantKey,
  Trial,
  TrustedKey,
  Upload,
  UsageLimit,
  UsageRecord,
  VersionReview,
  WebhookDelivery,
  WebhookSecret,
} from './generated/prisma/client.ts';
export * as databaseEnums from './generated/prisma/enums.ts';
export type { default as PothosTypes } from './generated/pothos-types.ts';
export { getDatamodel as pothosDatamodel } from './generated/pothos-types.ts';

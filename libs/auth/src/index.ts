export { type Actor, actorName, can, type KeyActor, mayCall, type Origin, type PersonActor, requirePermission, requirePerson } from './actor.ts';
export { generateKey, parseKey } from './api-key-format.ts';
export {
  type ApiKeyChanges,
  type ApiKeyInput,
  type ApiKeyState,
  apiKeyState,
  type ApiKeyView,
  type CreateApiKeyOutcome,
  longestOverlapSeconds,
  type RotateApiKeyOutcome,
  type UpdateApiKeyOutcome,
} from './api-keys.ts';
export { type AuditEntry, recordAudit } from './audit.ts';
export { type BrokenLink, type ChainHead, type ChainState, verifyChain } from './audit-chain.ts';
export { type Auth, createAuth } from './auth.ts';
export { credentialOf } from './credential-of.ts';
export type { GrantInput, GrantView } from './grants.ts';
export { type AuthOptions, type Mail, type MailMessage, platformTenantId } from './grounds.ts';
export type { InvitationPreview, InvitationView } from './invitations.ts';
export { type MasterKey, masterKeyProblem, type MasterKeys, masterKeysOf } from './master-key.ts';
export type { OpenSession } from './open-sessions.ts';
export type { Page } from './page.ts';
export { type ApiKeyScope, type Permission, permissions, permissionsOfRole, permissionsOfScope, permissionTexts, type Role } from './permissions.ts';
export { actionOfRoute, findRoute, type HttpRoute, httpRoutes, type RouteAccess, type ServerName } from './routes.ts';
export type { SignedIn } from './sessions.ts';
export type { SignInOutcome } from './sign-in.ts';
export { type DomainClaimInput, type DomainClaimOutcome, type DomainOutcome, domainRecord } from './domain-claims.ts';
export { type SaveSsoOutcome, type SsoConnectionInput, type SsoConnectionView, ssoRoles } from './sso-connections.ts';
export type { SsoBeginOutcome, SsoCompleteOutcome, SsoRefusalCode } from './sso-sign-in.ts';
export type { DatabaseHealth } from './platform.ts';
export type { ExportSummary, TenantExport } from './tenant-export.ts';
export { type ChangeStateOutcome, exportCountsForHours, type TenantSummary } from './tenant-life.ts';
export type { OwnMembership } from './tenant-switch.ts';
export { defaultSignInLimits, type SignInLimits } from './sign-in-throttle.ts';
export type { SetUpOutcome } from './tenants.ts';
export { createTenantKeyring, type Keyring, type RewrapReport, type TenantKeyringOptions } from './tenant-keyring.ts';
export type { Asked, TrailLine, TrailRange } from './trail.ts';

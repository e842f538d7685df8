export { type Actor, actorName, can, type KeyActor, type PersonActor, requirePermission } from './actor.ts';
export { recordAudit } from './audit.ts';
export {
  type ApiKeyInput,
  type ApiKeyView,
  type Auth,
  createAuth,
  type CreateApiKeyOutcome,
  type SetUpOutcome,
  type SignedIn,
  type SignInOutcome,
} from './auth.ts';
export { type ApiKeyScope, type Permission, permissions, permissionsOfRole, permissionsOfScope, type Role } from './permissions.ts';

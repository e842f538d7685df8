import { type ApiKey, notify } from '@millrace/database';
import { type Clock, DomainError, newId, type Problem } from '@millrace/kernel';
import { type Actor, actorName, requirePermission } from './actor.ts';
import { generateKey, hmacOf } from './api-key-format.ts';
import { recordAudit } from './audit.ts';
import { type Grounds, isPlainText, textProblem } from './grounds.ts';
import type { ApiKeyScope } from './permissions.ts';

export interface ApiKeyInput {
  alias: string;
  scopes: readonly ApiKeyScope[];
  /** names of the endpoints that the key may call; none means all */
  models?: readonly string[];
  expiresAt?: Date | null;
}

/** What the application may know of a key: everything but its secrets. */
export type ApiKeyView = Omit<ApiKey, 'secretHmac' | 'previousHmac'>;

export type CreateApiKeyOutcome = { type: 'created'; apiKey: ApiKeyView; key: string } | { type: 'invalid'; problems: Problem[] };

/** that one API key may name */
const mostModels = 100;

/** The credentials of partners and machines. */
export function createApiKeys({ database, clock, keyPepper }: Grounds) {
  return {
    /** The key's text is in this answer and nowhere else. */
    async create(actor: Actor, input: ApiKeyInput): Promise<CreateApiKeyOutcome> {
      requirePermission(actor, 'key:write');
      const problems = keyProblems(actor, input, clock);
      if (problems.length) return { type: 'invalid', problems };
      for (const scope of input.scopes) requireScopeWithin(actor, scope);
      const { key, publicId, secret } = generateKey();
      return database.forTenant(actor.tenantId).transaction(async (tx) => {
        const apiKey = await tx.apiKey.create({
          data: {
            id: newId('apiKey'),
            tenantId: actor.tenantId,
            publicId,
            secretHmac: hmacOf(secret, keyPepper),
            lastFour: key.slice(-4),
            alias: input.alias.trim(),
            scopes: [...new Set(input.scopes)],
            models: [...new Set(input.models ?? [])],
            expiresAt: input.expiresAt ?? null,
            createdBy: actorName(actor),
          },
        });
        await recordAudit(tx, actor, { action: 'key.create', subject: apiKey.id, details: { alias: apiKey.alias, scopes: apiKey.scopes } });
        return { type: 'created', apiKey, key };
      });
    },

    /** Takes effect everywhere within a second. Revoking twice is no error. @throws DomainError NOT_FOUND */
    async revoke(actor: Actor, apiKeyId: string): Promise<ApiKeyView> {
      requirePermission(actor, 'key:write');
      return database.forTenant(actor.tenantId).transaction(async (tx) => {
        const found = await tx.apiKey.findUnique({ where: { tenantId_id: { tenantId: actor.tenantId, id: apiKeyId } } });
        if (!found) throw new DomainError('NOT_FOUND', 'There is no such API key.', { field: 'id', remedy: 'List the keys of your tenant.' });
        if (found.revokedAt) return found;
        const apiKey = await tx.apiKey.update({ where: { tenantId_id: { tenantId: actor.tenantId, id: apiKeyId } }, data: { revokedAt: clock.now() } });
        await notify(tx, 'millrace_access', `${actor.tenantId}:${apiKeyId}`);
        await recordAudit(tx, actor, { action: 'key.revoke', subject: apiKeyId });
        return apiKey;
      });
    },
  };
}

/** Nobody hands out more than they have. */
function requireScopeWithin(actor: Actor, scope: ApiKeyScope): void {
  const needed = { PREDICT: 'endpoint:predict', READ: 'dataset:read', TRAIN: 'run:submit', ADMIN: 'audit:read' } as const;
  requirePermission(actor, needed[scope]);
}

function keyProblems(actor: Actor, input: ApiKeyInput, clock: Clock): Problem[] {
  const problems: Problem[] = [];
  if (!isPlainText(input.alias)) problems.push(textProblem('alias', 'The alias'));
  if (!input.scopes.length) {
    problems.push({ code: 'scopes_missing', field: 'scopes', message: 'The key has no scope.', remedy: 'Give at least one of PREDICT, READ, TRAIN, ADMIN.' });
  }
  if (input.expiresAt && input.expiresAt <= clock.now()) {
    problems.push({ code: 'expiry_past', field: 'expiresAt', message: 'The expiry lies in the past.', remedy: 'Choose a later time, or none.' });
  }
  const models = input.models ?? [];
  if (models.length > mostModels || !models.every((name) => /^[\x21-\x7e]{1,63}$/.test(name))) {
    problems.push({ code: 'models_unfit', field: 'models', message: 'These are no names of endpoints, or too many.', remedy: `Give at most ${mostModels} names of endpoints, or none for all.` });
  } else if (actor.type === 'key' && actor.models.length && !(models.length && models.every((name) => actor.models.includes(name)))) {
    // Nobody hands out more than they have; no name at all would mean every endpoint.
    problems.push({ code: 'models_beyond_own', field: 'models', message: 'The key that makes this one may not call all of these endpoints itself.', remedy: `Choose among ${actor.models.slice(0, 20).join(', ')}.` });
  }
  return problems;
}

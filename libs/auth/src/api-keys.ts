import { type ApiKey, notify, type Prisma, type TenantTx } from '@millrace/database';
import { type Clock, DomainError, newId, type Problem } from '@millrace/kernel';
import { type Actor, actorName, type KeyActor, requirePermission } from './actor.ts';
import { liesWithin, normalNetwork } from './address-list.ts';
import { generateKey, hmacOf } from './api-key-format.ts';
import { recordAudit } from './audit.ts';
import { type Grounds, isPlainText, textProblem } from './grounds.ts';
import { budgetSeconds } from './key-budget.ts';
import { makerOf } from './key-maker.ts';
import type { ApiKeyScope } from './permissions.ts';

export interface ApiKeyInput {
  alias: string;
  scopes: readonly ApiKeyScope[];
  /** names of the endpoints that the key may call; none means all */
  models?: readonly string[];
  /** addresses and networks (CIDR) that it may be used from; none means all */
  addresses?: readonly string[];
  expiresAt?: Date | null;
  /** requests a minute that an inference server takes from it; null for no limit of its own */
  rpmLimit?: number | null;
  /** requests under way at a time, likewise */
  maxParallelRequests?: number | null;
  /** cost units that it may use up; null for no budget */
  maxBudget?: number | null;
  /** from here on it is said that the budget comes to its end */
  softBudget?: number | null;
  /** `1d`, `7d` or `30d`: then the budget begins anew; null for never */
  budgetDuration?: string | null;
  /** the owner's own notes, as a JSON object */
  metadata?: Record<string, unknown>;
}

/** What is left out stays as it is. */
export interface ApiKeyChanges extends Partial<Omit<ApiKeyInput, 'scopes'>> {
  blocked?: boolean;
}

/** What the application may know of a key: everything but its secrets. */
export type ApiKeyView = Omit<ApiKey, 'secretHmac' | 'previousHmac'>;

export type ApiKeyState = 'ACTIVE' | 'BLOCKED' | 'EXPIRED' | 'REVOKED';

interface Invalid {
  type: 'invalid';
  problems: Problem[];
}
/** The key has come to its end, and is neither changed nor given a new secret. */
interface Ended {
  type: 'ended';
  state: 'EXPIRED' | 'REVOKED';
}

export type CreateApiKeyOutcome = { type: 'created'; apiKey: ApiKeyView; key: string } | Invalid;
export type UpdateApiKeyOutcome = { type: 'updated'; apiKey: ApiKeyView } | Invalid | Ended;
export type RotateApiKeyOutcome = { type: 'rotated'; apiKey: ApiKeyView; key: string } | Invalid | Ended;

/** of each list of one API key */
const mostModels = 100;
const mostAddresses = 100;
const mostMetadataBytes = 4096;
export const longestOverlapSeconds = 30 * 86_400;
const highestLimits = { rpmLimit: 1_000_000, maxParallelRequests: 10_000 };
const highestBudget = 1_000_000_000_000;

/** The credentials of partners and machines. */
export function createApiKeys({ database, clock, keyPepper, inSeconds }: Grounds) {
  /** The key, held until the transaction ends. @throws DomainError NOT_FOUND */
  async function hold(tx: TenantTx, actor: Actor, id: string): Promise<ApiKeyView> {
    await tx.$executeRaw`SELECT 1 FROM api_keys WHERE tenant_id = ${actor.tenantId} AND id = ${id} FOR UPDATE`;
    const found = await tx.apiKey.findUnique({ where: { tenantId_id: { tenantId: actor.tenantId, id } } });
    if (!found) throw new DomainError('NOT_FOUND', 'There is no such API key.', { field: 'id', remedy: 'List the keys of your tenant.' });
    return found;
  }

  /** A key that acts can give no more than it has. Null for people: their permissions say it all. */
  async function boundsOf(tx: TenantTx, actor: Actor): Promise<Bounds | null> {
    if (actor.type !== 'key') return null;
    const key = await own(tx, actor);
    const isLimited = [key.rpmLimit, key.maxParallelRequests, key.maxBudget].some((limit) => limit !== null)
      || (await tx.usageLimit.count({ where: { tenantId: actor.tenantId, scope: 'KEY', subject: key.id } })) > 0;
    return { key, isLimited };
  }

  /** A member with a limit of usage would have the secret of a key that counts against nobody's, or another's. */
  async function takeoverProblems(tx: TenantTx, actor: Actor, key: ApiKeyView): Promise<Problem[]> {
    if (actor.type !== 'person' || (await makerOf(tx, key)) === actor.personId) return [];
    const isLimited = (await tx.usageLimit.count({ where: { tenantId: actor.tenantId, scope: 'MEMBER', subject: actor.personId } })) > 0;
    if (!isLimited) return [];
    const message = 'You have a limit of usage, against which what this key is used for does not count.';
    return [{ code: 'maker_limited', field: 'apiKey', message, remedy: 'Make a key of your own, or have it rotated by whoever made it, or by somebody without a limit.' }];
  }

  const own = (tx: TenantTx, { tenantId, keyId }: KeyActor): Promise<ApiKeyView> =>
    tx.apiKey.findUniqueOrThrow({ where: { tenantId_id: { tenantId, id: keyId } } });

  return {
    /** The key's text is in this answer and nowhere else. */
    async create(actor: Actor, input: ApiKeyInput): Promise<CreateApiKeyOutcome> {
      requirePermission(actor, 'key:write');
      const problems = inputProblems(input, clock);
      if (problems.length) return { type: 'invalid', problems };
      for (const scope of input.scopes) requireScopeWithin(actor, scope);
      const { key, publicId, secret } = generateKey();
      const values = { models: [], addresses: [], expiresAt: null, ...valuesOf(input) };
      return database.forTenant(actor.tenantId).transaction(async (tx): Promise<CreateApiKeyOutcome> => {
        const beyond = boundProblems(await boundsOf(tx, actor), { id: null, rpmLimit: null, maxParallelRequests: null, maxBudget: null, budgetDuration: null, ...values });
        if (beyond.length) return { type: 'invalid', problems: beyond };
        const apiKey = await tx.apiKey.create({
          data: {
            ...values,
            alias: input.alias.trim(),
            id: newId('apiKey'),
            tenantId: actor.tenantId,
            publicId,
            secretHmac: hmacOf(secret, keyPepper),
            lastFour: key.slice(-4),
            scopes: [...new Set(input.scopes)],
            createdBy: actorName(actor),
          },
        });
        const { alias, scopes, models, addresses } = apiKey;
        await recordAudit(tx, actor, { action: 'key.create', subject: apiKey.id, details: { alias, scopes, models, addresses } });
        return { type: 'created', apiKey, key };
      });
    },

    /** Takes effect everywhere within a second. @throws DomainError NOT_FOUND */
    async update(actor: Actor, apiKeyId: string, changes: ApiKeyChanges): Promise<UpdateApiKeyOutcome> {
      requirePermission(actor, 'key:write');
      const problems = inputProblems(changes, clock);
      if (problems.length) return { type: 'invalid', problems };
      const values = valuesOf(changes);
      return database.forTenant(actor.tenantId).transaction(async (tx): Promise<UpdateApiKeyOutcome> => {
        const found = await hold(tx, actor, apiKeyId);
        for (const scope of found.scopes) requireScopeWithin(actor, scope);
        if (found.revokedAt) return { type: 'ended', state: 'REVOKED' };
        const beyond = boundProblems(await boundsOf(tx, actor), { ...found, ...values });
        if (beyond.length) return { type: 'invalid', problems: beyond };
        const apiKey = await tx.apiKey.update({ where: { tenantId_id: { tenantId: actor.tenantId, id: apiKeyId } }, data: values });
        await notify(tx, 'millrace_access', `${actor.tenantId}:${apiKeyId}`);
        await recordAudit(tx, actor, { action: 'key.update', subject: apiKeyId, details: changesInTrail(values) });
        return { type: 'updated', apiKey };
      });
    },

    /**
     * Gives the key a new secret. The one before stays good for the overlap, within which its users change over; one from
     * before that is worthless at once. The new text is in this answer and nowhere else. @throws DomainError NOT_FOUND
     */
    async rotate(actor: Actor, apiKeyId: string, { overlapSeconds }: { overlapSeconds: number }): Promise<RotateApiKeyOutcome> {
      requirePermission(actor, 'key:write');
      if (!Number.isInteger(overlapSeconds) || overlapSeconds < 0 || overlapSeconds > longestOverlapSeconds) {
        return { type: 'invalid', problems: [rangeProblem('overlapSeconds', 'The overlap', 0, longestOverlapSeconds)] };
      }
      return database.forTenant(actor.tenantId).transaction(async (tx): Promise<RotateApiKeyOutcome> => {
        const found = await hold(tx, actor, apiKeyId);
        // Whoever sees the new secret has what the key may do.
        for (const scope of found.scopes) requireScopeWithin(actor, scope);
        const state = apiKeyState(found, clock.now());
        if (state === 'REVOKED' || state === 'EXPIRED') return { type: 'ended', state };
        const beyond = [...boundProblems(await boundsOf(tx, actor), found), ...(await takeoverProblems(tx, actor, found))];
        if (beyond.length) return { type: 'invalid', problems: beyond };
        const { key, secret } = generateKey(found.publicId);
        const apiKey = await tx.apiKey.update({
          where: { tenantId_id: { tenantId: actor.tenantId, id: apiKeyId } },
          // The database itself moves the HMAC that stood here to `previous_hmac`: this role may not read it.
          data: {
            secretHmac: hmacOf(secret, keyPepper),
            lastFour: key.slice(-4),
            rotatedAt: clock.now(),
            previousUntil: inSeconds(overlapSeconds),
          },
        });
        await notify(tx, 'millrace_access', `${actor.tenantId}:${apiKeyId}`);
        await recordAudit(tx, actor, { action: 'key.rotate', subject: apiKeyId, details: { overlapSeconds } });
        return { type: 'rotated', apiKey, key };
      });
    },

    /** Takes effect everywhere within a second. Revoking twice is no error. @throws DomainError NOT_FOUND */
    async revoke(actor: Actor, apiKeyId: string): Promise<ApiKeyView> {
      requirePermission(actor, 'key:write');
      return database.forTenant(actor.tenantId).transaction(async (tx) => {
        const found = await hold(tx, actor, apiKeyId);
        if (found.revokedAt) return found;
        const apiKey = await tx.apiKey.update({ where: { tenantId_id: { tenantId: actor.tenantId, id: apiKeyId } }, data: { revokedAt: clock.now() } });
        await notify(tx, 'millrace_access', `${actor.tenantId}:${apiKeyId}`);
        await recordAudit(tx, actor, { action: 'key.revoke', subject: apiKeyId });
        return apiKey;
      });
    },

    /** What a key may know of itself. */
    async own(actor: KeyActor): Promise<ApiKeyView> {
      return database.forTenant(actor.tenantId).transaction((tx) => own(tx, actor));
    },
  };
}

export function apiKeyState({ revokedAt, expiresAt, blocked }: Pick<ApiKeyView, 'revokedAt' | 'expiresAt' | 'blocked'>, now: Date): ApiKeyState {
  if (revokedAt) return 'REVOKED';
  if (expiresAt && expiresAt <= now) return 'EXPIRED';
  return blocked ? 'BLOCKED' : 'ACTIVE';
}

/** Nobody hands out more than they have. */
function requireScopeWithin(actor: Actor, scope: ApiKeyScope): void {
  const needed = { PREDICT: 'endpoint:predict', FEEDBACK: 'endpoint:feedback', READ: 'dataset:read', TRAIN: 'run:submit', ADMIN: 'audit:read' } as const;
  requirePermission(actor, needed[scope]);
}

/** Ready to be stored: trimmed, in the normal spelling, without repetitions. */
function valuesOf({ alias, models, addresses, expiresAt, blocked, rpmLimit, maxParallelRequests, maxBudget, softBudget, budgetDuration, metadata }: ApiKeyChanges) {
  return {
    ...(alias !== undefined && { alias: alias.trim() }),
    ...(models !== undefined && { models: [...new Set(models)] }),
    ...(addresses !== undefined && { addresses: [...new Set(addresses.map((address) => normalNetwork(address)!))] }),
    ...(expiresAt !== undefined && { expiresAt }),
    ...(blocked !== undefined && { blocked }),
    ...(rpmLimit !== undefined && { rpmLimit }),
    ...(maxParallelRequests !== undefined && { maxParallelRequests }),
    ...(maxBudget !== undefined && { maxBudget }),
    ...(softBudget !== undefined && { softBudget }),
    ...(budgetDuration !== undefined && { budgetDuration }),
    ...(metadata !== undefined && { metadata: JSON.parse(JSON.stringify(metadata)) as Prisma.InputJsonObject }),
  };
}

/** The new values; of the owner's notes only that they changed, since they may hold anything. */
function changesInTrail({ metadata, expiresAt, ...others }: ReturnType<typeof valuesOf>): Prisma.InputJsonObject {
  return {
    ...others,
    ...(expiresAt !== undefined && { expiresAt: expiresAt?.toISOString() ?? null }),
    ...(metadata !== undefined && { metadata: '(changed)' }),
  };
}

function inputProblems(input: Partial<ApiKeyInput>, clock: Clock): Problem[] {
  const { alias, scopes, models = [], addresses = [], expiresAt, metadata } = input;
  const problems: Problem[] = [];
  if (alias !== undefined && !isPlainText(alias)) problems.push(textProblem('alias', 'The alias'));
  if (scopes?.length === 0) {
    problems.push({ code: 'scopes_missing', field: 'scopes', message: 'The key has no scope.', remedy: 'Give at least one of PREDICT, READ, TRAIN, ADMIN.' });
  }
  if (models.length > mostModels || !models.every((name) => /^[\x21-\x7e]{1,63}$/.test(name))) {
    problems.push({ code: 'models_unfit', field: 'models', message: 'These are no names of endpoints, or too many.', remedy: `Give at most ${mostModels} names of endpoints, or none for all.` });
  }
  const odd = addresses.find((address) => normalNetwork(address) === null);
  if (addresses.length > mostAddresses || odd !== undefined) {
    problems.push({
      code: 'addresses_unfit',
      field: 'addresses',
      message: odd === undefined ? `There are ${addresses.length} addresses.` : `"${odd.slice(0, 60)}" is neither an address nor a network.`,
      remedy: `Give at most ${mostAddresses}, such as 203.0.113.7, 10.0.0.0/8 or 2001:db8::/32 (nothing set behind the prefix), or none for all.`,
    });
  }
  if (expiresAt && expiresAt <= clock.now()) {
    problems.push({ code: 'expiry_past', field: 'expiresAt', message: 'The expiry lies in the past.', remedy: 'Choose a later time, or none.' });
  }
  for (const [field, name] of [['rpmLimit', 'The limit of requests a minute'], ['maxParallelRequests', 'The limit of parallel requests']] as const) {
    const limit = input[field];
    if (limit == null || (Number.isInteger(limit) && limit >= 1 && limit <= highestLimits[field])) continue;
    problems.push(rangeProblem(field, name, 1, highestLimits[field]));
  }
  for (const [field, name] of [['maxBudget', 'The budget'], ['softBudget', 'The soft budget']] as const) {
    const budget = input[field];
    if (budget == null || (Number.isInteger(budget) && budget >= 0 && budget <= highestBudget)) continue;
    problems.push(rangeProblem(field, name, 0, highestBudget));
  }
  if (input.budgetDuration != null && !Object.hasOwn(budgetSeconds, input.budgetDuration)) {
    const words = Object.keys(budgetSeconds).join(', ');
    problems.push({ code: 'duration_unknown', field: 'budgetDuration', message: `A budget does not last that long.`, remedy: `Choose one of ${words}, or none for a budget that never begins anew.` });
  }
  if (metadata !== undefined && !isStorable(metadata)) {
    problems.push({
      code: 'metadata_unfit',
      field: 'metadata',
      message: `The metadata are no JSON object, larger than ${mostMetadataBytes} bytes, or hold characters that cannot be stored.`,
      remedy: 'Give a small object of plain texts and numbers.',
    });
  }
  return problems;
}

function rangeProblem(field: string, what: string, least: number, most: number): Problem {
  return { code: 'out_of_range', field, message: `${what} is not a whole number from ${least} to ${most}.`, remedy: `Choose one from ${least} to ${most}.` };
}

interface Bounds {
  /** the key that acts */
  key: ApiKeyView;
  /** whether it has a limit or budget of its own, of whatever kind */
  isLimited: boolean;
}

/** `id`: null for a key that is yet to be made. */
type BoundKey = Pick<ApiKeyView, 'models' | 'addresses' | 'expiresAt' | 'maxBudget' | 'budgetDuration' | keyof typeof highestLimits> & { id: string | null };

/** What of a key goes beyond the key that makes, changes or rotates it. To name none would mean all. */
function boundProblems(given: Bounds | null, key: BoundKey): Problem[] {
  if (!given) return [];
  const { key: bounds, isLimited } = given;
  if (isLimited && key.id !== bounds.id) {
    // Ten keys with the limit of one are ten times the limit.
    const message = 'The key that asks has a limit or a budget of its own, which another key would not share.';
    return [{ code: 'maker_limited', field: 'apiKey', message, remedy: 'Do it as a person, or with a key that has no limit of its own.' }];
  }
  const problems: Problem[] = [];
  if (bounds.models.length && !(key.models.length && key.models.every((name) => bounds.models.includes(name)))) {
    problems.push({ code: 'models_beyond_own', field: 'models', message: 'The key that makes this one may not call all of these endpoints itself.', remedy: `Choose among ${bounds.models.slice(0, 20).join(', ')}.` });
  }
  if (bounds.addresses.length && !(key.addresses.length && liesWithin(key.addresses, bounds.addresses))) {
    problems.push({ code: 'addresses_beyond_own', field: 'addresses', message: 'The key that makes this one may not be used from all of these addresses itself.', remedy: `Choose within ${bounds.addresses.slice(0, 20).join(', ')}.` });
  }
  if (bounds.expiresAt && !(key.expiresAt && key.expiresAt <= bounds.expiresAt)) {
    problems.push({ code: 'expiry_beyond_own', field: 'expiresAt', message: 'The key that makes this one ends sooner itself.', remedy: `Choose a time no later than ${bounds.expiresAt.toISOString()}.` });
  }
  for (const [field, name] of [['rpmLimit', 'requests a minute'], ['maxParallelRequests', 'parallel requests'], ['maxBudget', 'cost units']] as const) {
    const [own, given] = [bounds[field], key[field]];
    if (own === null || (given !== null && given <= own)) continue;
    problems.push({ code: 'limit_beyond_own', field, message: `The key that makes this one has a limit of ${own} ${name} itself.`, remedy: `Give a limit of at most ${own}.` });
  }
  if (bounds.maxBudget !== null && key.budgetDuration !== bounds.budgetDuration) {
    problems.push({ code: 'duration_beyond_own', field: 'budgetDuration', message: 'With another duration the budget of the key that asks would begin anew.', remedy: 'Have a person change it.' });
  }
  return problems;
}

/** Postgres keeps neither NUL nor half a surrogate pair in JSON. */
function isStorable(metadata: unknown): boolean {
  if (typeof metadata !== 'object' || metadata === null || Array.isArray(metadata)) return false;
  const text = JSON.stringify(metadata);
  return Buffer.byteLength(text) <= mostMetadataBytes && !/(?<!\\)(?:\\\\)*\\u(?:0000|d[89a-f])/.test(text);
}

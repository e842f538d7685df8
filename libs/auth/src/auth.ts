import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { type ApiKey, type Database, notify, type SystemTx, violatesUnique } from '@millrace/database';
import { type Clock, DomainError, type Logger, newId, type Problem, systemClock } from '@millrace/kernel';
import { accessTokenLifeSeconds, signAccessToken, verifyAccessToken } from './access-token.ts';
import { type Actor, actorName, type PersonActor, requirePermission } from './actor.ts';
import { generateKey, hmacOf, parseKey } from './api-key-format.ts';
import { recordAudit } from './audit.ts';
import { ExpiringCache } from './expiring-cache.ts';
import { hashPassword, passwordProblem, verifyPassword } from './password.ts';
import type { ApiKeyScope, Role } from './permissions.ts';
import { newRefreshToken, sessionOfRefreshToken } from './refresh-token.ts';

export interface AuthOptions {
  database: Database;
  /** signs access tokens; at least 32 characters */
  tokenSecret: string;
  /** keys the HMAC of API keys; at least 32 characters. Changing it makes all keys invalid. */
  keyPepper: string;
  logger: Logger;
  clock?: Clock;
  /** no refused sign-in is answered sooner, in milliseconds; 200 unless told */
  refusalMs?: number;
}

export interface TenantInput {
  tenantName: string;
  name: string;
  email: string;
  password: string;
}

export interface MemberInput {
  tenantId: string;
  name: string;
  email: string;
  password: string;
  role: Role;
}

export interface ApiKeyInput {
  alias: string;
  scopes: readonly ApiKeyScope[];
  /** names of the endpoints that the key may call; none means all */
  models?: readonly string[];
  expiresAt?: Date | null;
}

/** What the application may know of a key: everything but its secret. */
export type ApiKeyView = Omit<ApiKey, 'secretHmac'>;

export interface SignedIn {
  type: 'signed-in';
  accessToken: string;
  accessTokenExpiresInSeconds: number;
  /** opaque; replaced at each use */
  refreshToken: string;
  actor: PersonActor;
}

export type SetUpOutcome = SignedIn | { type: 'invalid'; problems: Problem[] } | { type: 'link-invalid' };
export type SignInOutcome = SignedIn | { type: 'refused' };
export type CreateApiKeyOutcome = { type: 'created'; apiKey: ApiKeyView; key: string } | { type: 'invalid'; problems: Problem[] };

const sessionLifeDays = 30;
const setupLinkLifeHours = 24;
/** that one API key may name */
const mostModels = 100;
/** Well above what checking a password and writing a line of the trail take. */
const refusalMs = 200;
/** How long a process may believe in a credential it has checked, should the notice of its revocation get lost. */
const believedForMs = 5_000;

interface Believed {
  actor: Actor | null;
  expiresAt: Date | null;
}

const nobody: Believed = { actor: null, expiresAt: null };

export type Auth = ReturnType<typeof createAuth>;

/** Who may come in, as whom, and with what right. */
export function createAuth(options: AuthOptions) {
  const { database, keyPepper, logger } = options;
  const clock = options.clock ?? systemClock;
  for (const secret of [options.tokenSecret, keyPepper]) {
    if (secret.length < 32) throw new Error('secrets need at least 32 characters');
  }
  const tokenSettings = {
    secret: options.tokenSecret,
    keyId: createHash('sha256').update(options.tokenSecret).digest('hex').slice(0, 8),
    clock,
  };
  const actors = new ExpiringCache<Believed>(believedForMs, 20_000, clock);
  const lastUse = new Map<string, number>();
  const inSeconds = (seconds: number): Date => new Date(clock.now().getTime() + seconds * 1000);

  async function openSession(tx: SystemTx, tenantId: string, personId: string, role: Role): Promise<SignedIn> {
    const sessionId = newId('session');
    const refreshToken = newRefreshToken(sessionId, options.tokenSecret);
    await tx.session.createMany({
      data: [{ id: sessionId, tenantId, personId, tokenHash: sha256(refreshToken), expiresAt: inSeconds(sessionLifeDays * 86_400) }],
    });
    return signedIn({ type: 'person', tenantId, personId, sessionId, role }, refreshToken);
  }

  function signedIn(actor: PersonActor, refreshToken: string): SignedIn {
    return {
      type: 'signed-in',
      accessToken: signAccessToken(actor, tokenSettings),
      accessTokenExpiresInSeconds: accessTokenLifeSeconds,
      refreshToken,
      actor,
    };
  }

  async function insertTenant(tx: SystemTx, input: TenantInput, passwordHash: string): Promise<{ tenantId: string; personId: string }> {
    const tenantId = newId('tenant');
    const slug = `${slugOf(input.tenantName)}-${tenantId.slice(-4)}`;
    await tx.tenant.createMany({ data: [{ id: tenantId, slug, name: input.tenantName.trim() }] });
    const personId = await insertMember(tx, { ...input, tenantId, role: 'OWNER' }, passwordHash);
    await recordAudit(tx, { type: 'system', tenantId }, { action: 'tenant.create', subject: tenantId });
    return { tenantId, personId };
  }

  async function insertMember(tx: SystemTx, member: MemberInput, passwordHash: string): Promise<string> {
    const personId = newId('person');
    await tx.person.createMany({
      data: [{ id: personId, email: normalEmail(member.email), name: member.name.trim(), passwordHash }],
    });
    await tx.membership.createMany({ data: [{ tenantId: member.tenantId, personId, role: member.role }] });
    await recordAudit(tx, { type: 'system', tenantId: member.tenantId }, {
      action: 'member.add',
      subject: personId,
      details: { role: member.role },
    });
    return personId;
  }

  async function findKeyActor(publicId: string, secret: string): Promise<Believed> {
    const row = await database.system().transaction((tx) =>
      tx.apiKey.findUnique({ where: { publicId }, include: { tenant: { select: { status: true } } } }),
    );
    // The comparison runs for an unknown key as well, so that the time tells nothing of its existence.
    const given = Buffer.from(hmacOf(secret, keyPepper), 'hex');
    const stored = row ? Buffer.from(row.secretHmac, 'hex') : Buffer.alloc(given.length);
    const matches = timingSafeEqual(given, stored);
    if (!row || !matches || row.revokedAt || row.tenant.status !== 'ACTIVE') return nobody;
    return {
      actor: { type: 'key', tenantId: row.tenantId, keyId: row.id, scopes: row.scopes, models: row.models },
      expiresAt: row.expiresAt,
    };
  }

  async function findPersonActor(sessionId: string, personId: string, tenantId: string): Promise<Believed> {
    return database.system().transaction(async (tx) => {
      const session = await tx.session.findUnique({ where: { id: sessionId }, include: { tenant: { select: { status: true } } } });
      if (!session || session.personId !== personId || session.tenantId !== tenantId) return nobody;
      if (session.revokedAt || session.tenant.status !== 'ACTIVE') return nobody;
      const membership = await tx.membership.findUnique({ where: { tenantId_personId: { tenantId, personId } } });
      if (!membership) return nobody;
      return { actor: { type: 'person', tenantId, personId, sessionId, role: membership.role }, expiresAt: session.expiresAt };
    });
  }

  /** What is remembered may have expired since. */
  function stillBelieved({ actor, expiresAt }: Believed): Actor | null {
    return expiresAt && expiresAt <= clock.now() ? null : actor;
  }

  /** Notes that a key is in use, at most once a minute a key: coarse, so that it costs nothing. */
  function noteUse(actor: Actor): void {
    if (actor.type !== 'key') return;
    const now = clock.now().getTime();
    if (now - (lastUse.get(actor.keyId) ?? 0) < 60_000) return;
    lastUse.set(actor.keyId, now);
    database
      .system()
      .transaction((tx) => tx.$executeRaw`UPDATE api_keys SET last_used_at = now() WHERE id = ${actor.keyId}`)
      .catch((error: unknown) => logger.warn({ error: String(error) }, 'the last use of a key was not noted'));
  }

  return {
    /** Must run once before the first `authenticate`: from then on a revocation is noticed within a second. */
    async watchRevocations(): Promise<void> {
      await database.listen('millrace_access', (payload) => {
        if (payload === null) return actors.clear();
        const [, id] = payload.split(':');
        actors.deleteWhere(({ actor }) => actor === null || (actor.type === 'key' ? actor.keyId : actor.personId) === id);
      });
    },

    /** The actor behind an API key or access token, or null. Never says why not. */
    async authenticate(credential: string): Promise<Actor | null> {
      if (credential.startsWith('mr_')) {
        const parsed = parseKey(credential);
        if (!parsed) return null;
        const cacheKey = sha256(credential);
        const actor = stillBelieved(await actors.get(cacheKey, () => findKeyActor(parsed.publicId, parsed.secret)));
        if (actor) noteUse(actor);
        return actor;
      }
      const claims = verifyAccessToken(credential, tokenSettings);
      if (!claims) return null;
      // All three claims are in the key: a session remembered for one person must not answer for another.
      const { sessionId, personId, tenantId } = claims;
      return stillBelieved(await actors.get(`${sessionId}:${personId}:${tenantId}`, () => findPersonActor(sessionId, personId, tenantId)));
    },

    /** A new one-time token for the set-up link, which replaces any earlier; null once there is a tenant. */
    async issueSetupToken(): Promise<string | null> {
      return database.system().transaction(async (tx) => {
        await lockSetup(tx);
        if (await tx.tenant.findFirst({ select: { id: true } })) return null;
        const token = randomBytes(24).toString('base64url');
        await tx.setupLink.updateMany({ where: { usedAt: null }, data: { usedAt: clock.now() } });
        await tx.setupLink.create({
          data: { id: newId('setupLink'), tokenHash: sha256(token), expiresAt: inSeconds(setupLinkLifeHours * 3600) },
        });
        return token;
      });
    },

    /** Creates the first tenant and its owner with the token of the set-up link, and signs the owner in. */
    async setUp(token: string, input: TenantInput): Promise<SetUpOutcome> {
      const problems = tenantProblems(input);
      if (problems.length) return { type: 'invalid', problems };
      const passwordHash = await hashPassword(input.password);
      const created = database.system().transaction(async (tx): Promise<SetUpOutcome> => {
        await lockSetup(tx);
        const link = await tx.setupLink.findUnique({ where: { tokenHash: sha256(token) } });
        if (!link || link.usedAt || link.expiresAt <= clock.now()) return { type: 'link-invalid' };
        await tx.setupLink.update({ where: { id: link.id }, data: { usedAt: clock.now() } });
        const { tenantId, personId } = await insertTenant(tx, input, passwordHash);
        return openSession(tx, tenantId, personId, 'OWNER');
      });
      return created.catch(emailTaken);
    },

    /** Creates a tenant without a link: for a headless start and the demo, never reachable over the network. */
    async createTenant(input: TenantInput): Promise<{ type: 'created'; tenantId: string } | { type: 'invalid'; problems: Problem[] }> {
      const problems = tenantProblems(input);
      if (problems.length) return { type: 'invalid', problems };
      const passwordHash = await hashPassword(input.password);
      const created = database.system().transaction(async (tx) => {
        const { tenantId } = await insertTenant(tx, input, passwordHash);
        return { type: 'created' as const, tenantId };
      });
      return created.catch(emailTaken);
    },

    /** Adds a member without an invitation: for a headless start and the demo, never reachable over the network. */
    async addMember(member: MemberInput): Promise<{ type: 'added'; personId: string } | { type: 'invalid'; problems: Problem[] }> {
      const problems = personProblems(member);
      if (problems.length) return { type: 'invalid', problems };
      const passwordHash = await hashPassword(member.password);
      const added = database.system().transaction(async (tx) => ({ type: 'added' as const, personId: await insertMember(tx, member, passwordHash) }));
      return added.catch(emailTaken);
    },

    /** @throws DomainError TOO_MANY_REQUESTS while too many sign in at once */
    async signIn(email: string, password: string): Promise<SignInOutcome> {
      const begun = performance.now();
      const person = await database.system().transaction((tx) =>
        tx.person.findUnique({
          where: { email: normalEmail(email) },
          include: { memberships: { where: { tenant: { status: 'ACTIVE' } }, orderBy: { createdAt: 'asc' }, take: 1 } },
        }),
      );
      const fits = await verifyPassword(person?.passwordHash ?? null, password);
      const membership = person?.memberships[0];
      if (!person || !membership || !fits) {
        if (membership && person) {
          await database.system().transaction((tx) =>
            recordAudit(tx, { type: 'system', tenantId: membership.tenantId }, { action: 'session.open', subject: person.id, result: 'refused' }),
          );
        }
        // The line above is written for people that exist only: the time that it takes must not tell them apart.
        await delay(Math.max(0, begun + (options.refusalMs ?? refusalMs) - performance.now()));
        return { type: 'refused' };
      }
      return database.system().transaction(async (tx) => {
        const opened = await openSession(tx, membership.tenantId, person.id, membership.role);
        await recordAudit(tx, opened.actor, { action: 'session.open', subject: opened.actor.sessionId });
        return opened;
      });
    },

    /**
     * Exchanges a refresh token for new tokens. A token used twice, however many came after it, was stolen by one of its
     * two users: the session ends.
     */
    async refresh(refreshToken: string): Promise<SignInOutcome> {
      const sessionId = sessionOfRefreshToken(refreshToken, options.tokenSecret);
      if (sessionId === null) return { type: 'refused' };
      return database.system().transaction(async (tx): Promise<SignInOutcome> => {
        const [found] = await tx.$queryRaw<{ current: boolean }[]>`
          SELECT token_hash = ${sha256(refreshToken)} AS current FROM sessions
          WHERE id = ${sessionId} AND revoked_at IS NULL AND expires_at > ${clock.now()} FOR UPDATE`;
        if (!found) return { type: 'refused' };
        const session = await tx.session.findUniqueOrThrow({ where: { id: sessionId }, include: { tenant: { select: { status: true } } } });
        if (!found.current) {
          await tx.session.update({ where: { id: session.id }, data: { revokedAt: clock.now() } });
          await notify(tx, 'millrace_access', `${session.tenantId}:${session.personId}`);
          await recordAudit(tx, { type: 'system', tenantId: session.tenantId }, { action: 'session.revoke', subject: session.id, result: 'reused' });
          return { type: 'refused' };
        }
        const membership = await tx.membership.findUnique({
          where: { tenantId_personId: { tenantId: session.tenantId, personId: session.personId } },
        });
        if (!membership || session.tenant.status !== 'ACTIVE') return { type: 'refused' };
        const replacement = newRefreshToken(sessionId, options.tokenSecret);
        await tx.session.update({ where: { id: session.id }, data: { tokenHash: sha256(replacement) } });
        const actor: PersonActor = {
          type: 'person',
          tenantId: session.tenantId,
          personId: session.personId,
          sessionId: session.id,
          role: membership.role,
        };
        return signedIn(actor, replacement);
      });
    },

    async signOut(actor: PersonActor): Promise<void> {
      await database.system().transaction(async (tx) => {
        await tx.session.update({ where: { id: actor.sessionId }, data: { revokedAt: clock.now() } });
        await notify(tx, 'millrace_access', `${actor.tenantId}:${actor.personId}`);
        await recordAudit(tx, actor, { action: 'session.close', subject: actor.sessionId });
      });
    },

    /** The key's text is in this answer and nowhere else. */
    async createApiKey(actor: Actor, input: ApiKeyInput): Promise<CreateApiKeyOutcome> {
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
    async revokeApiKey(actor: Actor, apiKeyId: string): Promise<ApiKeyView> {
      requirePermission(actor, 'key:write');
      return database.forTenant(actor.tenantId).transaction(async (tx) => {
        const found = await tx.apiKey.findUnique({ where: { tenantId_id: { tenantId: actor.tenantId, id: apiKeyId } } });
        if (!found) throw new DomainError('NOT_FOUND', 'There is no such API key.', { field: 'id', remedy: 'List the keys of your tenant.' });
        if (found.revokedAt) return found;
        const apiKey = await tx.apiKey.update({ where: { id: apiKeyId }, data: { revokedAt: clock.now() } });
        await notify(tx, 'millrace_access', `${actor.tenantId}:${apiKeyId}`);
        await recordAudit(tx, actor, { action: 'key.revoke', subject: apiKeyId });
        return apiKey;
      });
    },

    /** Whether there is any tenant yet. */
    async isSetUp(): Promise<boolean> {
      return database.system().transaction(async (tx) => (await tx.tenant.findFirst({ select: { id: true } })) !== null);
    },
  };
}

/** One set-up at a time, so that two visitors of one link cannot both win. */
async function lockSetup(tx: SystemTx): Promise<void> {
  await tx.$executeRaw`SELECT pg_advisory_xact_lock(hashtext('millrace setup'))`;
}

/** Nobody hands out more than they have. */
function requireScopeWithin(actor: Actor, scope: ApiKeyScope): void {
  const needed = { PREDICT: 'endpoint:predict', READ: 'dataset:read', TRAIN: 'run:submit', ADMIN: 'audit:read' } as const;
  requirePermission(actor, needed[scope]);
}

function emailTaken(error: unknown): { type: 'invalid'; problems: Problem[] } {
  if (!violatesUnique(error, 'people_email_key')) throw error;
  return {
    type: 'invalid',
    problems: [{ code: 'email_taken', field: 'email', message: 'This e-mail address has an account already.', remedy: 'Sign in with it, or use another one.' }],
  };
}

function tenantProblems(input: TenantInput): Problem[] {
  const problems = personProblems(input);
  if (!isPlainText(input.tenantName)) problems.push(textProblem('tenantName', 'The tenant’s name'));
  return problems;
}

function personProblems(input: { name: string; email: string; password: string }): Problem[] {
  const problems: Problem[] = [];
  if (!isPlainText(input.name)) problems.push(textProblem('name', 'The name'));
  if (!/^[^\s@]{1,64}@[^\s@]{1,190}$/.test(input.email.trim())) {
    problems.push({ code: 'email_unfit', field: 'email', message: 'This is no e-mail address.', remedy: 'Write it as name@example.com.' });
  }
  const password = passwordProblem(input.password);
  if (password) problems.push(password);
  return problems;
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

/** 1 to 80 characters, none of which is invisible or turns the text around it. */
function isPlainText(text: string): boolean {
  const kept = text.trim();
  return kept.length >= 1 && kept.length <= 80 && !/[\p{Cc}\p{Cs}\p{Zl}\p{Zp}\u202a-\u202e\u2066-\u2069]/u.test(kept);
}

function textProblem(field: string, what: string): Problem {
  return { code: 'text_unfit', field, message: `${what} is empty, too long, or holds invisible characters.`, remedy: 'Use 1 to 80 visible characters.' };
}

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');
const normalEmail = (email: string): string => email.trim().toLowerCase();

function slugOf(name: string): string {
  const slug = name.normalize('NFKD').toLowerCase().replace(/[^a-z0-9]+/g, '-').replace(/^-+|-+$/g, '');
  return slug.slice(0, 40) || 'tenant';
}


import { randomBytes } from 'node:crypto';
import type { SystemTx } from '@millrace/database';
import { newId, type Problem } from '@millrace/kernel';
import type { Origin } from './actor.ts';
import { recordAudit } from './audit.ts';
import { type Grounds, isPlainText, platformTenantId, sha256, textProblem } from './grounds.ts';
import { emailTaken, insertMember, personProblems } from './members.ts';
import { hashPassword } from './password.ts';
import type { Sessions, SignedIn } from './sessions.ts';

export interface TenantInput {
  tenantName: string;
  name: string;
  email: string;
  password: string;
}

export type SetUpOutcome = SignedIn | { type: 'invalid'; problems: Problem[] } | { type: 'link-invalid' };

const setupLinkLifeHours = 24;

/** How tenants come into being. */
export function createTenants({ database, clock, inSeconds }: Grounds, sessions: Sessions) {
  async function insertTenant(tx: SystemTx, input: TenantInput, passwordHash: string): Promise<{ tenantId: string; personId: string }> {
    const tenantId = newId('tenant');
    await tx.tenant.createMany({ data: [{ id: tenantId, slug: slugOf(input.tenantName, tenantId), name: input.tenantName.trim() }] });
    const personId = await insertMember(tx, { ...input, tenantId, role: 'OWNER' }, passwordHash);
    return { tenantId, personId };
  }

  async function findOpenLink(tx: SystemTx, token: string): Promise<{ id: string } | null> {
    const link = await tx.setupLink.findUnique({ where: { tokenHash: sha256(token) } });
    return link && !link.usedAt && link.expiresAt > clock.now() ? link : null;
  }

  const firstTenant = (tx: SystemTx) => tx.tenant.findFirst({ where: { id: { not: platformTenantId } }, select: { id: true } });

  return {
    /** A new one-time token for the set-up link, which replaces any earlier; null once there is a tenant. */
    async issueSetupToken(): Promise<string | null> {
      return database.system().transaction(async (tx) => {
        await lockSetup(tx);
        if (await firstTenant(tx)) return null;
        const token = randomBytes(24).toString('base64url');
        await tx.setupLink.updateMany({ where: { usedAt: null }, data: { usedAt: clock.now() } });
        await tx.setupLink.create({
          data: { id: newId('setupLink'), tokenHash: sha256(token), expiresAt: inSeconds(setupLinkLifeHours * 3600) },
        });
        return token;
      });
    },

    /**
     * Creates the first tenant and its owner with the token of the set-up link, and signs the owner in. Whoever sets the
     * machine up also becomes its first operator.
     */
    async setUp(token: string, input: TenantInput, origin: Origin = {}): Promise<SetUpOutcome> {
      const problems = await tenantProblems(input);
      if (problems.length) return { type: 'invalid', problems };
      // Looked at beforehand too: without a good link nobody makes this process hash.
      if (!(await database.system().transaction((tx) => findOpenLink(tx, token)))) return { type: 'link-invalid' };
      const passwordHash = await hashPassword(input.password, origin.address);
      const created = database.system().transaction(async (tx): Promise<SetUpOutcome> => {
        await lockSetup(tx);
        const link = await findOpenLink(tx, token);
        if (!link) return { type: 'link-invalid' };
        await tx.setupLink.update({ where: { id: link.id }, data: { usedAt: clock.now() } });
        const { tenantId, personId } = await insertTenant(tx, input, passwordHash);
        const recorded = { action: 'tenant.set_up', subject: tenantId, details: { owner: personId } };
        const signedIn = await sessions.open(tx, { tenantId, personId, role: 'OWNER', recorded }, origin);
        await makeOperator(tx, personId, origin);
        return signedIn;
      });
      return created.catch(emailTaken);
    },

    /**
     * Creates a tenant without a link: for a headless start and the demo, never reachable over the network.
     * @param input.operator whether its owner is an operator of the platform too
     */
    async createTenant(
      input: TenantInput & { operator?: boolean },
    ): Promise<{ type: 'created'; tenantId: string; personId: string } | { type: 'invalid'; problems: Problem[] }> {
      const problems = await tenantProblems(input);
      if (problems.length) return { type: 'invalid', problems };
      const passwordHash = await hashPassword(input.password);
      const created = database.system().transaction(async (tx) => {
        const { tenantId, personId } = await insertTenant(tx, input, passwordHash);
        await recordAudit(tx, { type: 'system', tenantId }, { action: 'tenant.create', subject: tenantId, details: { owner: personId } });
        if (input.operator) await makeOperator(tx, personId);
        return { type: 'created' as const, tenantId, personId };
      });
      return created.catch(emailTaken);
    },

    /** Whether there is any tenant yet. */
    async isSetUp(): Promise<boolean> {
      return database.system().transaction(async (tx) => (await firstTenant(tx)) !== null);
    },
  };
}

/** One set-up at a time, so that two visitors of one link cannot both win. */
async function lockSetup(tx: SystemTx): Promise<void> {
  await tx.$executeRaw`SELECT pg_advisory_xact_lock(hashtext('millrace setup'))`;
}

async function makeOperator(tx: SystemTx, personId: string, origin: Origin = {}): Promise<void> {
  await tx.membership.createMany({ data: [{ tenantId: platformTenantId, personId, role: 'OPERATOR' }] });
  await recordAudit(tx, { type: 'system', tenantId: platformTenantId, ...origin }, { action: 'member.add', subject: personId, details: { role: 'OPERATOR' } });
}

async function tenantProblems(input: TenantInput): Promise<Problem[]> {
  const problems = await personProblems(input);
  if (!isPlainText(input.tenantName)) problems.push(textProblem('tenantName', 'The tenant’s name'));
  return problems;
}

/** The name as it stands in addresses, with 40 random bits of the id: names need not be unique, slugs must. */
export function slugOf(name: string, tenantId: string): string {
  const slug = name.normalize('NFKD').toLowerCase().replace(/[^a-z0-9]+/g, '-').replace(/^-+|-+$/g, '');
  return `${slug.slice(0, 40) || 'tenant'}-${tenantId.slice(-8)}`;
}

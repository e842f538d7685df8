import { randomBytes } from 'node:crypto';
import { Resolver } from 'node:dns/promises';
import { type DomainClaim, notify, type TenantTx, violatesUnique } from '@millrace/database';
import { newId, type Problem } from '@millrace/kernel';
import { type Actor, actorName, requirePermission } from './actor.ts';
import { recordAudit } from './audit.ts';
import { readDomain } from './email-domain.ts';
import type { Grounds } from './grounds.ts';
import { endPasswordSessions, roleToLetIn } from './sso-authority.ts';

export interface DomainClaimInput {
  domain: string;
}

export type DomainClaimOutcome = { type: 'claimed'; domainClaim: DomainClaim } | { type: 'invalid'; problems: Problem[] };

export type DomainOutcome =
  | { type: 'verified'; domainClaim: DomainClaim }
  | { type: 'not-found' }
  /** another tenant has proved that the domain is its own */
  | { type: 'taken' }
  /** this text does not stand in the domain's DNS (yet) */
  | { type: 'record-missing'; record: string };

const mostClaims = 50;

/** What must stand in the DNS of a claimed domain, as a TXT record. */
export const domainRecord = ({ challenge }: Pick<DomainClaim, 'challenge'>): string => `millrace-domain-verification=${challenge}`;

/** The e-mail domains whose people a tenant may let in by its own provider. */
export function createDomainClaims({ database, clock }: Grounds, textRecords: (name: string) => Promise<string[]> = textRecordsByDns) {
  /** @throws whatever is not the domain being another's */
  async function verify(tx: TenantTx, actor: Actor, claim: DomainClaim, action: string): Promise<DomainOutcome> {
    const { tenantId, id, domain } = claim;
    const domainClaim = await tx.domainClaim.update({ where: { tenantId_id: { tenantId, id } }, data: { verifiedAt: clock.now() } });
    const connection = await tx.ssoConnection.findUnique({ where: { tenantId }, select: { required: true } });
    const endedSessions = connection?.required ? await endPasswordSessions(tx, clock, tenantId, actor) : 0;
    if (endedSessions) await notify(tx, 'millrace_access', `${tenantId}:*`);
    await recordAudit(tx, actor, { tenantId, action, subject: id, details: { domain, endedSessions } });
    return { type: 'verified', domainClaim };
  }

  const findClaim = (tx: TenantTx, tenantId: string, id: string) => tx.domainClaim.findUnique({ where: { tenantId_id: { tenantId, id } } });

  return {
    /** Says that a domain is the tenant's, which counts for nothing until it is proved. Claiming it twice is no error. */
    async claimDomain(actor: Actor, input: DomainClaimInput): Promise<DomainClaimOutcome> {
      requirePermission(actor, 'sso:write');
      const { tenantId } = actor;
      const domain = readDomain(input.domain.trim());
      if (!domain) return { type: 'invalid', problems: [{ code: 'domain_unfit', field: 'domain', message: 'This is no e-mail domain.', remedy: 'Write it as example.com.' }] };
      return database.forTenant(tenantId).transaction(async (tx): Promise<DomainClaimOutcome> => {
        await lockClaims(tx, tenantId);
        await roleToLetIn(tx, actor);
        const known = await tx.domainClaim.findUnique({ where: { tenantId_domain: { tenantId, domain } } });
        if (known) return { type: 'claimed', domainClaim: known };
        if ((await tx.domainClaim.count({ where: { tenantId } })) >= mostClaims) {
          return { type: 'invalid', problems: [{ code: 'too_many_domains', field: 'domain', message: `A tenant may claim ${mostClaims} domains.`, remedy: 'Release one that is not needed.' }] };
        }
        const challenge = randomBytes(20).toString('hex');
        const domainClaim = await tx.domainClaim.create({ data: { id: newId('domainClaim'), tenantId, domain, challenge, createdBy: actorName(actor) } });
        await recordAudit(tx, actor, { action: 'domain.claim', subject: domainClaim.id, details: { domain } });
        return { type: 'claimed', domainClaim };
      });
    },

    /** Looks for the proof in the domain's DNS. From then on the domain is the tenant's alone. Verifying it twice is no error. */
    async verifyDomain(actor: Actor, id: string): Promise<DomainOutcome> {
      requirePermission(actor, 'sso:write');
      const { tenantId } = actor;
      const db = database.forTenant(tenantId);
      const claim = await db.transaction(async (tx) => {
        await roleToLetIn(tx, actor);
        return findClaim(tx, tenantId, id);
      });
      if (!claim) return { type: 'not-found' };
      if (claim.verifiedAt) return { type: 'verified', domainClaim: claim };
      const record = domainRecord(claim);
      if (!(await textRecords(claim.domain)).includes(record)) return { type: 'record-missing', record };
      const verified = db.transaction(async (tx): Promise<DomainOutcome> => {
        await roleToLetIn(tx, actor);
        const found = await findClaim(tx, tenantId, id);
        return found ? verify(tx, actor, found, 'domain.verify') : { type: 'not-found' };
      });
      return verified.catch(takenBy);
    },

    /** An operator's word instead of the proof, for a domain whose DNS cannot be changed or asked. It stands in the tenant's trail. */
    async approveDomain(actor: Actor, id: string): Promise<DomainOutcome> {
      requirePermission(actor, 'platform:write');
      const claim = await database.system().transaction((tx) => tx.domainClaim.findUnique({ where: { id } }));
      if (!claim) return { type: 'not-found' };
      const { tenantId } = claim;
      const approved = database.forTenant(tenantId).transaction(async (tx): Promise<DomainOutcome> => {
        const found = await findClaim(tx, tenantId, id);
        if (!found) return { type: 'not-found' };
        return found.verifiedAt ? { type: 'verified', domainClaim: found } : verify(tx, actor, found, 'domain.approve');
      });
      return approved.catch(takenBy);
    },

    /** Nobody of the domain comes in by single sign-on any more, and another tenant may claim it. */
    async releaseDomain(actor: Actor, id: string): Promise<{ type: 'released' } | { type: 'not-found' }> {
      requirePermission(actor, 'sso:write');
      const { tenantId } = actor;
      return database.forTenant(tenantId).transaction(async (tx) => {
        await roleToLetIn(tx, actor);
        const claim = await findClaim(tx, tenantId, id);
        if (!claim) return { type: 'not-found' };
        await tx.domainClaim.delete({ where: { tenantId_id: { tenantId, id } } });
        await recordAudit(tx, actor, { action: 'domain.release', subject: id, details: { domain: claim.domain } });
        return { type: 'released' };
      });
    },
  };
}

function takenBy(error: unknown): DomainOutcome {
  if (violatesUnique(error, 'domain_claims_verified')) return { type: 'taken' };
  throw error;
}

/** One claim at a time of a tenant, so that no two see room for the last one. */
async function lockClaims(tx: TenantTx, tenantId: string): Promise<void> {
  await tx.$executeRaw`SELECT pg_advisory_xact_lock(hashtextextended('millrace domains ' || ${tenantId}, 0))`;
}

/** None where the name servers know none, or do not answer. */
async function textRecordsByDns(name: string): Promise<string[]> {
  const resolver = new Resolver({ timeout: 2_000, tries: 2 });
  return resolver.resolveTxt(name).then((records) => records.map((parts) => parts.join('')), () => []);
}

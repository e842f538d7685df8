import { hash as digest } from 'node:crypto';
import type { TenantDb } from '@millrace/database';

/** Where the hash chain of a trail is not what it was when its lines were written. */
export interface BrokenLink {
  /** of the link at fault; null for an event that has none */
  number: number | null;
  eventId: string | null;
  at: Date | null;
  /**
   * `missing`: the link and its event are gone. `changed`: event and hash do not belong together, or not after the link
   * before. `unlinked`: an event that came in past the chain. `cut-off`, `rewritten`: the head that was kept elsewhere is
   * no longer there, or another.
   */
  reason: 'missing' | 'changed' | 'unlinked' | 'cut-off' | 'rewritten';
}

/** A link of the chain: to be kept elsewhere, since nobody can cut off or rewrite what comes before it unnoticed. */
export interface ChainHead {
  number: number;
  hash: string;
}

export interface ChainState {
  /** links, which are events */
  length: number;
  /** the last link; null for an empty trail */
  head: ChainHead | null;
  /** the first fault; null when there is none */
  firstBroken: BrokenLink | null;
}

export interface VerifyOptions {
  /** a head of this trail that was kept elsewhere */
  expect?: ChainHead;
  onProgress?(done: number, total: number): void;
}

interface LinkRow {
  number: number;
  hash: string;
  linkedId: string;
  eventId: string | null;
  at: Date | null;
  text: string;
}

/** What comes before the first link. */
const chainOrigin = '0'.repeat(64);
const pageSize = 5_000;

/**
 * Recomputes a tenant's chain from its first link to the one that is last now. Hashes are computed here, from the text of
 * the stored events; each page is a transaction of its own, so that a long trail holds up nobody.
 */
export async function verifyChain(tenant: TenantDb, { expect, onProgress }: VerifyOptions = {}): Promise<ChainState> {
  const head = await tenant.transaction((tx) =>
    tx.auditLink.findFirst({ where: { tenantId: tenant.tenantId }, orderBy: { number: 'desc' }, select: { number: true, hash: true } }),
  );
  const length = head?.number ?? 0;
  const firstBroken = (await walk(tenant, length, onProgress)) ?? (await findUnlinked(tenant)) ?? (expect ? await compare(tenant, length, expect) : null);
  return { length, head, firstBroken };
}

async function walk(tenant: TenantDb, length: number, onProgress: VerifyOptions['onProgress']): Promise<BrokenLink | null> {
  let previous: ChainHead = { number: 0, hash: chainOrigin };
  while (previous.number < length) {
    const page = await readPage(tenant, previous.number);
    for (const { number, hash, linkedId, eventId, at, text } of page) {
      if (number !== previous.number + 1) return missing(previous.number + 1);
      if (eventId === null || digest('sha256', previous.hash + text) !== hash) return { number, eventId: linkedId, at, reason: 'changed' };
      previous = { number, hash };
    }
    if (!page.length) return missing(previous.number + 1);
    onProgress?.(Math.min(previous.number, length), length);
  }
  return null;
}

const missing = (number: number): BrokenLink => ({ number, eventId: null, at: null, reason: 'missing' });

/** A look-up for each link, where a join may compare each with each: see `export` in trail.ts. */
function readPage({ tenantId, transaction }: TenantDb, after: number): Promise<LinkRow[]> {
  return transaction(
    (tx) => tx.$queryRaw<LinkRow[]>`
      SELECT l.number, l.hash, l.event_id AS "linkedId", e.id AS "eventId", e.at, e.text
      FROM (SELECT * FROM audit_links WHERE tenant_id = ${tenantId} AND number > ${after} ORDER BY number LIMIT ${pageSize}) l
      LEFT JOIN LATERAL (SELECT a.id, a.at, audit_text(a) AS text FROM audit_events a WHERE a.tenant_id = l.tenant_id AND a.id = l.event_id LIMIT 1) e ON true
      ORDER BY l.number`,
  );
}

/**
 * An event and its link become visible together, so that there is never an honest event without one. They are counted
 * first: looking for one is the slow part, and there is hardly ever one.
 */
async function findUnlinked({ tenantId, transaction }: TenantDb): Promise<BrokenLink | null> {
  const [count] = await transaction(
    (tx) => tx.$queryRaw<{ events: bigint; links: bigint }[]>`
      SELECT (SELECT count(*) FROM audit_events WHERE tenant_id = ${tenantId}) AS events, (SELECT count(*) FROM audit_links WHERE tenant_id = ${tenantId}) AS links`,
  );
  if (count!.events === count!.links) return null;
  let after = '';
  for (;;) {
    const page = await transaction(
      (tx) => tx.$queryRaw<{ id: string; at: Date; isLinked: boolean }[]>`
        SELECT e.id, e.at, EXISTS (SELECT 1 FROM audit_links l WHERE l.tenant_id = ${tenantId} AND l.event_id = e.id) AS "isLinked"
        FROM (SELECT id, at FROM audit_events WHERE tenant_id = ${tenantId} AND id > ${after} ORDER BY id LIMIT ${pageSize}) e ORDER BY e.id`,
    );
    const event = page.find(({ isLinked }) => !isLinked);
    if (event) return { number: null, eventId: event.id, at: event.at, reason: 'unlinked' };
    if (!page.length) return null;
    after = page.at(-1)!.id;
  }
}

/** Whoever can rewrite a whole chain is found only by a head that they cannot reach. */
async function compare(tenant: TenantDb, length: number, expect: ChainHead): Promise<BrokenLink | null> {
  if (length < expect.number) return { number: length + 1, eventId: null, at: null, reason: 'cut-off' };
  const key = { tenantId: tenant.tenantId, number: expect.number };
  const link = await tenant.transaction((tx) => tx.auditLink.findUniqueOrThrow({ where: { tenantId_number: key }, include: { event: true } }));
  return link.hash === expect.hash ? null : { number: link.number, eventId: link.eventId, at: link.event.at, reason: 'rewritten' };
}

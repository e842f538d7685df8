import { randomBytes } from 'node:crypto';
import { type Database, notify, type SystemTx, type TenantKey } from '@millrace/database';
import { type Clock, DomainError, type Logger, systemClock } from '@millrace/kernel';
import { recordAudit } from './audit.ts';
import { ExpiringCache } from './expiring-cache.ts';
import { createKeyWrapping } from './key-wrapping.ts';
import type { MasterKeys } from './master-key.ts';
import { createSigningKeys } from './signing-keys.ts';

export interface TenantKeyringOptions {
  /** its system role is millrace_system, or millrace_worker, which may do no more than `current`, `find` and `sign` */
  database: Database;
  masterKeys: MasterKeys;
  logger: Logger;
  clock?: Clock;
}

export interface RewrapReport {
  /** were wrapped with the current master key already */
  current: number;
  rewrapped: number;
  /** `tenant version`, or `tenant key` of a signing key, of keys whose master key is not among those given */
  unknown: string[];
}

export type Keyring = ReturnType<typeof createTenantKeyring>;

/** How long an unwrapped key stays in memory. Also how long a destroyed one is used by a process that is cut off from the database. */
const heldForMs = 60_000;
const mostHeld = 10_000;
/** of the column */
const highestVersion = 2 ** 31 - 1;

interface Held {
  tenantId: string;
  version: number;
  /** null: destroyed */
  key: Uint8Array | null;
}

/**
 * The keys that tenants' artefacts are sealed with. They lie in the database, wrapped with the installation's master key,
 * which does not: neither a dump of the database nor a copy of the artefacts opens anything.
 */
export function createTenantKeyring({ database, masterKeys, logger, clock = systemClock }: TenantKeyringOptions) {
  const wrapping = createKeyWrapping(masterKeys);
  const signing = createSigningKeys({ database, wrapping, logger });
  const currentKeys = new ExpiringCache<Held & { key: Uint8Array }>(heldForMs, mostHeld, clock);
  const keysByVersion = new ExpiringCache<Held>(heldForMs, mostHeld, clock);
  let watching: Promise<unknown> | null = null;

  function forget(tenantId: string): void {
    for (const keys of [currentKeys, keysByVersion]) keys.deleteWhere((held) => held.tenantId === tenantId);
  }

  /** Keys are held only where the notice of their end arrives. */
  function watch(): Promise<unknown> {
    watching ??= database
      .listen('millrace_access', (payload) => {
        const [tenantId, what] = payload?.split(':') ?? [];
        if (what === 'keys') return forget(tenantId!);
        if (payload === null) for (const keys of [currentKeys, keysByVersion]) keys.clear();
      })
      .catch((error: unknown) => {
        watching = null;
        throw error;
      });
    return watching;
  }

  /** A cache forgets what has expired when it is asked again; a key shall be gone even if nobody asks. */
  function forgetInTime(): void {
    setTimeout(() => {
      for (const keys of [currentKeys, keysByVersion]) keys.deleteExpired();
    }, heldForMs + 1_000).unref();
  }

  function wrap(tenantId: string, version: number, key: Uint8Array): Pick<TenantKey, 'tenantId' | 'version' | 'wrapped' | 'masterKeyId'> {
    return { tenantId, version, ...wrapping.wrap(key, whose(tenantId, version)) };
  }

  function unwrap(row: TenantKey): Uint8Array {
    return wrapping.unwrap(row, whose(row.tenantId, row.version), `Key ${row.version} of tenant ${row.tenantId}`, 'tenant_keys');
  }

  async function latest(tx: SystemTx, tenantId: string): Promise<TenantKey | null> {
    return tx.tenantKey.findFirst({ where: { tenantId }, orderBy: { version: 'desc' } });
  }

  /** Makes the version unless somebody else has just made it: whoever reads afterwards finds the same key. */
  async function make(tx: SystemTx, tenantId: string, version: number): Promise<boolean> {
    const tenant = await tx.tenant.findUnique({ where: { id: tenantId }, select: { status: true } });
    // A tenant about to be purged has lost its keys on purpose.
    if (!tenant || tenant.status === 'DELETED') throw new DomainError('NOT_FOUND', 'There is no such tenant.');
    const { count } = await tx.tenantKey.createMany({ data: [wrap(tenantId, version, randomBytes(32))], skipDuplicates: true });
    if (count > 0) logger.info({ tenantId, version }, 'a key for the artefacts of a tenant was made');
    return count > 0;
  }

  return {
    /** The key that new artefacts of the tenant are sealed with; made at its first use. @throws DomainError NOT_FOUND */
    async current(tenantId: string): Promise<{ version: number; key: Uint8Array }> {
      await watch();
      return currentKeys.get(tenantId, async () => {
        const row = await database.system().transaction(async (tx) => {
          const known = await latest(tx, tenantId);
          if (known) return known;
          await make(tx, tenantId, 1);
          return (await latest(tx, tenantId))!;
        });
        forgetInTime();
        return { tenantId, version: row.version, key: unwrap(row) };
      });
    },

    /** Null when it was destroyed. */
    async find(tenantId: string, version: number): Promise<Uint8Array | null> {
      if (version > highestVersion) return null;
      await watch();
      const { key } = await keysByVersion.get(`${tenantId}:${version}`, async () => {
        const row = await database.system().transaction((tx) => tx.tenantKey.findUnique({ where: { tenantId_version: { tenantId, version } } }));
        forgetInTime();
        return { tenantId, version, key: row && unwrap(row) };
      });
      if (!key) keysByVersion.deleteWhere((held) => held.tenantId === tenantId && !held.key); // it may be restored from a backup
      return key;
    },

    /** Signs with the tenant's key for model packages, which is made at its first use. @throws DomainError NOT_FOUND */
    sign: signing.sign,

    /** Gives the tenant a new key; the earlier ones keep opening what they sealed. @throws DomainError NOT_FOUND */
    async rotate(tenantId: string): Promise<{ version: number }> {
      const version = await database.system().transaction(async (tx) => {
        for (;;) {
          const next = ((await latest(tx, tenantId))?.version ?? 0) + 1;
          if (!(await make(tx, tenantId, next))) continue;
          await recordAudit(tx, { type: 'system', tenantId }, { action: 'tenant.rotate_key', subject: tenantId, details: { version: next } });
          await notify(tx, 'millrace_access', `${tenantId}:keys`);
          return next;
        }
      });
      forget(tenantId);
      return { version };
    },

    /** Destroys all keys of the tenant. Its artefacts are unreadable from then on, wherever copies of them may lie. */
    async destroy(tenantId: string): Promise<{ versions: number }> {
      const versions = await database.system().transaction(async (tx) => {
        const { count } = await tx.tenantKey.deleteMany({ where: { tenantId } });
        await signing.destroy(tx, tenantId);
        if (count > 0) await recordAudit(tx, { type: 'system', tenantId }, { action: 'tenant.destroy_keys', subject: tenantId, details: { versions: count } });
        await notify(tx, 'millrace_access', `${tenantId}:keys`);
        return count;
      });
      forget(tenantId);
      logger.info({ tenantId, versions }, 'the keys for the artefacts of a tenant were destroyed');
      return { versions };
    },

    /** Wraps all keys with the current master key, so that retired ones are needed no more. */
    async rewrap(onProgress?: (done: number, total: number) => void): Promise<RewrapReport> {
      const report: RewrapReport = { current: 0, rewrapped: 0, unknown: [] };
      const { sealing, signed } = await database.system().transaction(async (tx) => ({
        sealing: await tx.tenantKey.findMany({ orderBy: [{ tenantId: 'asc' }, { version: 'asc' }] }),
        signed: await signing.list(tx),
      }));
      const all = [
        ...sealing.map((row) => ({
          ...row,
          name: `${row.tenantId} ${row.version}`,
          async rewrap(tx: SystemTx) {
            const { tenantId, version, masterKeyId } = row;
            await tx.tenantKey.updateMany({ where: { tenantId, version, masterKeyId }, data: wrap(tenantId, version, unwrap(row)) });
          },
        })),
        ...signed.map((row) => ({ ...row, name: `${row.tenantId} ${row.keyId}`, rewrap: (tx: SystemTx) => signing.rewrap(tx, row) })),
      ];
      for (const [index, { masterKeyId, name, rewrap }] of all.entries()) {
        if (masterKeyId === wrapping.currentId) report.current++;
        else if (!wrapping.isKnown(masterKeyId)) report.unknown.push(name);
        else {
          await database.system().transaction(rewrap);
          report.rewrapped++;
        }
        onProgress?.(index + 1, all.length);
      }
      return report;
    },
  };
}

const whose = (tenantId: string, version: number): string => `millrace tenant key ${tenantId} ${version}`;

import { randomBytes } from 'node:crypto';
import type { TenantKeyring } from '../src/index.ts';

/** A keyring that lives as long as the test. */
export function createMemoryKeyring(): TenantKeyring & { rotate(tenantId: string): void; destroy(tenantId: string): void } {
  const keys = new Map<string, Map<number, Uint8Array>>();
  const keysOf = (tenantId: string): Map<number, Uint8Array> => {
    const known = keys.get(tenantId) ?? new Map<number, Uint8Array>();
    keys.set(tenantId, known);
    return known;
  };
  const addVersion = (tenantId: string): void => void keysOf(tenantId).set(keysOf(tenantId).size + 1, randomBytes(32));
  return {
    async current(tenantId) {
      if (keysOf(tenantId).size === 0) addVersion(tenantId);
      const version = keysOf(tenantId).size;
      return { version, key: keysOf(tenantId).get(version)! };
    },
    find: async (tenantId, version) => keysOf(tenantId).get(version) ?? null,
    rotate: addVersion,
    destroy: (tenantId) => void keys.delete(tenantId),
  };
}

import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto';
import { DomainError } from '@millrace/kernel';
import type { Keyring } from './tenant-keyring.ts';

const format = 1;
const saltBytes = 16;
const headerBytes = 1 + 4 + saltBytes;
const tagBytes = 16;
/** Each box has a key of its own, so one nonce will do. */
const nonce = Buffer.alloc(12);

/** Seals what a tenant's rows hold of its data, with the key that its artefacts have. */
export interface TenantBox {
  /** @param what whose and which text it is: it opens as nothing else. @throws DomainError NOT_FOUND for a tenant whose keys are destroyed */
  seal(tenantId: string, what: string, text: string): Promise<Buffer>;
  /** @throws DomainError NOT_FOUND when its key was destroyed, Error when the box is not what was sealed */
  open(tenantId: string, what: string, box: Uint8Array): Promise<string>;
}

/**
 * Layout: format (1 byte), version of the tenant's key (4, big endian), salt (16), text, tag (16). AES-256-GCM; key: HKDF-SHA-256
 * of the tenant's key with the salt, info `millrace box`; associated data: the header, the tenant and what it is.
 */
export function createTenantBox(keyring: Pick<Keyring, 'current' | 'find'>): TenantBox {
  return {
    async seal(tenantId, what, text) {
      const { version, key } = await keyring.current(tenantId);
      const header = Buffer.alloc(headerBytes);
      header.writeUInt8(format, 0);
      header.writeUInt32BE(version, 1);
      randomBytes(saltBytes).copy(header, 5);
      const sealing = createCipheriv('aes-256-gcm', keyOf(key, header), nonce).setAAD(boundTo(header, tenantId, what));
      return Buffer.concat([header, sealing.update(text, 'utf8'), sealing.final(), sealing.getAuthTag()]);
    },

    async open(tenantId, what, box) {
      const bytes = Buffer.from(box.buffer, box.byteOffset, box.byteLength);
      if (bytes.length < headerBytes + tagBytes || bytes[0] !== format) throw new Error('a box of an unknown format');
      const header = bytes.subarray(0, headerBytes);
      const key = await keyring.find(tenantId, header.readUInt32BE(1));
      if (!key) throw new DomainError('NOT_FOUND', 'The key of this was destroyed.');
      const end = bytes.length - tagBytes;
      const opening = createDecipheriv('aes-256-gcm', keyOf(key, header), nonce).setAAD(boundTo(header, tenantId, what)).setAuthTag(bytes.subarray(end));
      return Buffer.concat([opening.update(bytes.subarray(headerBytes, end)), opening.final()]).toString('utf8');
    },
  };
}

const keyOf = (key: Uint8Array, header: Buffer): Buffer => Buffer.from(hkdfSync('sha256', key, header.subarray(5, headerBytes), 'millrace box', 32));

const boundTo = (header: Buffer, tenantId: string, what: string): Buffer => Buffer.concat([header, Buffer.from(`${tenantId} ${what}`)]);

import { createHash, createPublicKey, verify } from 'node:crypto';
import { z } from 'zod';
import { canonicalJson } from './canonical-json.ts';

/** Who vouches for a package: an Ed25519 signature over its manifest, which holds the digest of every file. */
export interface ManifestSignature {
  algorithm: 'Ed25519';
  /** the first 16 digits of the SHA-256 over the public key's 32 bytes */
  keyId: string;
  /** 32 bytes as base64url */
  publicKey: string;
  /** 64 bytes as base64url */
  signature: string;
}

/** Beside the manifest, and no part of what it lists: signing changes nothing of a package. */
export const SIGNATURE_FILE = 'manifest-signature.json';
const MAX_SIGNATURE_BYTES = 1024;

const base64url = (bytes: number) => z.string().regex(new RegExp(`^[A-Za-z0-9_-]{${Math.ceil((bytes * 4) / 3)}}$`));
const schema = z.strictObject({
  algorithm: z.literal('Ed25519'),
  keyId: z.string().regex(/^[0-9a-f]{16}$/),
  publicKey: base64url(32),
  signature: base64url(64),
});

/** The text that is signed: what it is, then the manifest's own bytes. */
export function textToSign(manifest: Uint8Array): Uint8Array {
  return Buffer.concat([Buffer.from('millrace model package\n'), manifest]);
}

export function writeSignature({ keyId, publicKey, signature }: Omit<ManifestSignature, 'algorithm'>): Uint8Array {
  return canonicalJson({ algorithm: 'Ed25519', keyId, publicKey, signature }, 'signature');
}

/**
 * The signature in the file, if it is true of this manifest. Says nothing of whether its key is to be trusted.
 * @param expectedKey the only public key that will do; any if left out
 */
export function readSignature(file: Uint8Array, manifest: Uint8Array, expectedKey?: string): { signature: ManifestSignature } | { complaint: string } {
  if (file.byteLength > MAX_SIGNATURE_BYTES) return { complaint: 'is too large for a signature.' };
  const parsed = schema.safeParse(parseJson(file));
  if (!parsed.success) return { complaint: 'is no signature of a manifest.' };
  const signature = parsed.data;
  if (signature.keyId !== keyIdOf(signature.publicKey)) return { complaint: 'names another key than the one that it holds.' };
  if (expectedKey !== undefined && signature.publicKey !== expectedKey) return { complaint: 'is by another key than the one that should have signed.' };
  if (!isTrue(signature, manifest)) return { complaint: 'does not fit the manifest: one of the two was changed.' };
  return { signature };
}

function isTrue({ publicKey, signature }: ManifestSignature, manifest: Uint8Array): boolean {
  try {
    const key = createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x: publicKey }, format: 'jwk' });
    return verify(null, textToSign(manifest), key, Buffer.from(signature, 'base64url'));
  } catch {
    return false; // no point of the curve
  }
}

function parseJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch {
    return undefined;
  }
}

function keyIdOf(publicKey: string): string {
  return createHash('sha256').update(Buffer.from(publicKey, 'base64url')).digest('hex').slice(0, 16);
}

/** Who says that they have signed the package; null when nobody does. Whether it is true, `verifyPackage` tells. */
export function signerOf(files: ReadonlyMap<string, Uint8Array>): { keyId: string; publicKey: string } | null {
  const file = files.get(SIGNATURE_FILE);
  const parsed = file === undefined || file.byteLength > MAX_SIGNATURE_BYTES ? null : schema.safeParse(parseJson(file));
  return parsed?.success ? { keyId: parsed.data.keyId, publicKey: parsed.data.publicKey } : null;
}

import { createHmac, timingSafeEqual } from 'node:crypto';
import { isIP } from 'node:net';
import { type Grounds, sha256 } from './grounds.ts';

/**
 * The API passes a caller's prediction on to the inference server, with the caller's own credential. For that server it
 * comes from the API's address; the API vouches for the address of the caller, so that a key that is bound to addresses
 * works the same either way. Good for this credential only, and only between servers that share the pepper.
 */
export function createVouching({ derivedKey }: Pick<Grounds, 'derivedKey'>) {
  const key = derivedKey('vouched address');
  const seal = (credential: string, address: string): Buffer => createHmac('sha256', key).update(`${sha256(credential)} ${address}`).digest();

  return {
    /** For the header `x-millrace-caller`. */
    vouchForAddress: (credential: string, address: string): string => `${address} ${seal(credential, address).toString('base64url')}`,

    /** The address in that header, or null when nobody of ours vouches for it. */
    vouchedAddress(credential: string, header: unknown): string | null {
      if (typeof header !== 'string') return null;
      const [address = '', given = ''] = header.split(' ');
      const expected = seal(credential, address);
      const bytes = Buffer.from(given, 'base64url');
      return isIP(address) !== 0 && bytes.length === expected.length && timingSafeEqual(bytes, expected) ? address : null;
    },
  };
}

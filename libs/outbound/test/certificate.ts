import { generateKeyPairSync, sign } from 'node:crypto';

/** DER by hand: Node reads certificates but makes none. */
const der = (tag: number, ...parts: Buffer[]): Buffer => {
  const content = Buffer.concat(parts);
  const { length } = content;
  return Buffer.concat([Buffer.from(length < 128 ? [tag, length] : [tag, 0x82, length >> 8, length & 0xff]), content]);
};
const sequence = (...parts: Buffer[]): Buffer => der(0x30, ...parts);
const identifier = (hex: string): Buffer => der(0x06, Buffer.from(hex, 'hex'));
const time = (at: Date): Buffer => der(0x17, Buffer.from(`${at.toISOString().replace(/\D/g, '').slice(2, 14)}Z`));
const pem = (label: string, content: Buffer): string => `-----BEGIN ${label}-----\n${content.toString('base64')}\n-----END ${label}-----\n`;

const ecdsaWithSha256 = sequence(identifier('2a8648ce3d040302'));

/** A certificate for one host name that is its own authority (RFC 5280), good for a day around now. */
export function selfSignedCertificate(host: string, { expired = false } = {}): { certificate: string; key: string } {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const day = 86_400_000;
  const from = Date.now() - (expired ? 3 : 1) * day;
  const name = sequence(der(0x31, sequence(identifier('550403'), der(0x0c, Buffer.from(host)))));
  const toBeSigned = sequence(
    der(0xa0, der(0x02, Buffer.from([2]))), // version 3
    der(0x02, Buffer.from([1])), // serial number
    ecdsaWithSha256,
    name,
    sequence(time(new Date(from)), time(new Date(from + 2 * day))),
    name,
    publicKey.export({ type: 'spki', format: 'der' }),
    der(0xa3, sequence(
      sequence(identifier('551d13'), der(0x04, sequence(der(0x01, Buffer.from([0xff]))))), // an authority
      sequence(identifier('551d11'), der(0x04, sequence(der(0x82, Buffer.from(host))))), // its name
    )),
  );
  const signature = der(0x03, Buffer.from([0]), sign('sha256', toBeSigned, privateKey));
  return {
    certificate: pem('CERTIFICATE', sequence(toBeSigned, ecdsaWithSha256, signature)),
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }) as string,
  };
}

import { z } from 'zod';
import { Secret } from './secret.ts';

export interface SecretKind {
  /** what keeps a text from being such a secret, without the text; null when nothing does */
  problemOf(text: string): string | null;
  /** makes one */
  command: string;
}

const command = 'openssl rand -base64 48';

/** Known to all processes that sign or check with it: long, and not the text that stands in an example. */
const sharedSecret: SecretKind = {
  command,
  problemOf(text) {
    if (text.length < 32) return `is shorter than 32 characters: make one, for example with ${command}`;
    const isRandom = new Set(text).size >= 8 && !/^(change|replace|example|secret)/i.test(text);
    return isRandom ? null : `is no secret: make one, for example with ${command}`;
  },
};

/** The setting of a secret that must be there. */
export function secretSetting({ problemOf, command: remedy }: SecretKind = sharedSecret) {
  return z
    .string({ error: `is missing: make one, for example with ${remedy}` })
    .refine((text) => problemOf(text) === null, { error: ({ input }) => problemOf(String(input)) ?? '', abort: true })
    .transform((text) => new Secret(text));
}

/** The setting of secrets that are retired: none, or several with commas between them, which no secret holds. */
export function secretListSetting(kind: SecretKind = sharedSecret) {
  return z
    .string()
    .default('')
    .transform((text) => text.split(',').map((part) => part.trim()).filter(Boolean))
    .pipe(z.array(secretSetting(kind)));
}

/** The setting of the database's address, which holds a password. */
export const databaseUrlSetting = z.url({ protocol: /^postgres(ql)?$/, error: 'must be a postgresql:// address' }).transform((url) => new Secret(url));

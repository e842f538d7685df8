import type { Problem } from '@millrace/kernel';

/** The largest that Millrace writes, of a recommender of fifty thousand users, has some of them; it is a row of the database. */
const mostSignatureBytes = 16 * 1024 * 1024;

/** Of a `signature.json` of so many bytes; null where it may be so large. */
export function signatureSizeProblem(bytes: number): Problem | null {
  if (bytes <= mostSignatureBytes) return null;
  const message = `The signature of the package has ${bytes} bytes; at most ${mostSignatureBytes} are taken.`;
  return { code: 'signature_too_large', field: 'signature.json', message, remedy: 'Give the model fewer inputs, categories or items.' };
}

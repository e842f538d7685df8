import { checkVectors } from './check-rows.ts';
import type { ValidatedRows } from './validated-rows.ts';
import type { PackageFiles } from './model-package.ts';
import type { Signature } from './signature.ts';

/** Rows in the order of the signature's inputs, against which answers are explained; null where a value is missing. */
export type BackgroundRows = readonly (readonly (number | string | null)[])[];

export const BACKGROUND_FILE = 'background.json';
const mostRows = 64;
const mostBytes = 4 * 1024 * 1024;

/** The background rows of a package; null where it has none. @throws Error for rows that do not fit the signature */
export function readBackground(files: PackageFiles, signature: Signature): ValidatedRows | null {
  const bytes = files.get(BACKGROUND_FILE);
  if (bytes === undefined) return null;
  const complaint = backgroundComplaint(bytes, signature);
  if (typeof complaint === 'string') throw new Error(`${BACKGROUND_FILE} ${complaint}`);
  return complaint;
}

/** The background rows of a package that was verified, as they were given: for a package made of it. Empty where it has none. */
export function backgroundRowsIn(files: PackageFiles): BackgroundRows {
  const bytes = files.get(BACKGROUND_FILE);
  return bytes === undefined ? [] : (JSON.parse(new TextDecoder().decode(bytes)) as { rows: BackgroundRows }).rows;
}

/** The rows, or what is wrong with them. */
export function backgroundComplaint(bytes: Uint8Array, signature: Signature): ValidatedRows | string {
  if (bytes.byteLength > mostBytes) return `has ${bytes.byteLength} bytes, too many for ${mostRows} rows.`;
  let rows: unknown;
  try {
    ({ rows } = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes)) as { rows?: unknown });
  } catch {
    return 'is no JSON.';
  }
  if (!Array.isArray(rows) || !rows.every(Array.isArray)) return 'has no list of rows.';
  const checked = checkVectors(signature, rows, { maxRows: mostRows });
  return checked.type === 'valid' ? checked.rows : `does not fit the signature: ${checked.problems[0]!.message}`;
}

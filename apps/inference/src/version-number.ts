import type { Exchange } from './exchange.ts';
import { modelNotFound } from './request-error.ts';

/** Version numbers are whole and positive; anything else names no version, and is answered like a missing one. @throws RequestError 404 */
export function versionNumber({ model, version }: { model: string; version: string | undefined }): number | undefined {
  if (version === undefined) return undefined;
  if (/^[1-9]\d{0,8}$/.test(version)) return Number(version);
  throw modelNotFound(model, { version });
}

/** What the header says with which a caller tries a version that others do not get yet. @throws RequestError 404 */
export function pinnedVersion({ headers }: Exchange, model: string): number | undefined {
  const sent = headers['x-millrace-model-version'];
  return sent === undefined ? undefined : versionNumber({ model, version: String(sent) });
}

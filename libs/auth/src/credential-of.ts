/**
 * The credential that a request carries as `Authorization: Bearer …` or `X-API-Key: …`, whatever it is worth: null if there
 * is none, empty if what is there is none, or if there are two that differ. Nobody should have to guess which one counts.
 * @param sources headers, or what stands for them in the first message on a WebSocket; names in lower case
 */
export function credentialOf(...sources: Record<string, unknown>[]): string | null {
  let found: string | null = null;
  for (const source of sources) {
    const authorization = source['authorization'];
    if (authorization != null) found = joined(found, bearerOf(authorization));
    const key = source['x-api-key'];
    if (key != null && key !== '') found = joined(found, typeof key === 'string' ? key : '');
  }
  return found;
}

function joined(found: string | null, further: string): string {
  return found === null || found === further ? further : '';
}

function bearerOf(authorization: unknown): string {
  return typeof authorization === 'string' ? (/^Bearer +(\S+)$/i.exec(authorization)?.[1] ?? '') : '';
}

const segment = /^[A-Za-z0-9_-][A-Za-z0-9._-]{0,199}$/;
const maxKeyLength = 900; // below the shortest limit of the stores in view: 1024 bytes of an S3 key

/**
 * Keys are made by our own code, never from names that users give, so a wrong key is a bug and throws a `TypeError`.
 * Shape: `tenants/<tenant>/…`, segments of letters, digits, `.`, `_` and `-` that don't begin with a dot.
 */
export function assertKey(key: string): void {
  if (key.split('/').length < 3) throw wrongKey('key', key, 'it must name something below tenants/<tenant>/');
  assertSegments('key', key);
}

/** @param key that `assertKey` has let pass */
export function tenantOfKey(key: string): string {
  return key.split('/')[1]!;
}

/** A prefix is a whole number of segments: `tenants`, `tenants/<tenant>`, `tenants/<tenant>/datasets`… */
export function assertPrefix(prefix: string, minSegments = 1): void {
  if (prefix.split('/').length < minSegments) throw wrongKey('prefix', prefix, 'it must name a tenant');
  assertSegments('prefix', prefix);
}

function assertSegments(noun: string, path: string): void {
  if (path.length > maxKeyLength) throw wrongKey(noun, path, `it is longer than ${maxKeyLength} characters`);
  const segments = path.split('/');
  if (segments[0] !== 'tenants') throw wrongKey(noun, path, 'it must begin with tenants/');
  if (!segments.every((part) => segment.test(part))) {
    throw wrongKey(noun, path, 'segments hold letters, digits, ".", "_" and "-" and don\'t begin with a dot');
  }
}

function wrongKey(noun: string, path: string, why: string): TypeError {
  return new TypeError(`Wrong artefact ${noun} ${JSON.stringify(path.slice(0, 200))}: ${why}`);
}

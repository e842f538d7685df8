import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { operationsFile } from './trusted-documents.ts';

export interface ConsoleFile {
  type: string;
  etag: string;
  cacheControl: string;
  bytes: Buffer;
  /** null where it would not be smaller */
  gzipped: Buffer | null;
}

const typesByExtension: Record<string, string> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.json': 'application/json; charset=utf-8',
  '.map': 'application/json; charset=utf-8',
  '.webmanifest': 'application/manifest+json',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.ico': 'image/x-icon',
  '.woff2': 'font/woff2',
  '.txt': 'text/plain; charset=utf-8',
};

/**
 * All files of the built console by their address. There are few and they never change while the server runs, so they
 * are kept in memory, compressed once; and no address of a client ever becomes a path.
 * @returns null when the console isn't built
 */
export async function readConsoleFiles(directory: string): Promise<Map<string, ConsoleFile> | null> {
  if (!existsSync(path.join(directory, 'index.html'))) return null;
  const files = new Map<string, ConsoleFile>();
  for (const entry of await readdir(directory, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const file = path.join(entry.parentPath, entry.name);
    const address = `/${path.relative(directory, file).split(path.sep).join('/')}`;
    if (address === `/${operationsFile}`) continue; // for the server, not for its callers
    const bytes = await readFile(file);
    const gzipped = await promisify(gzip)(bytes, { level: 9 });
    files.set(address, {
      type: typesByExtension[path.extname(file).toLowerCase()] ?? 'application/octet-stream',
      etag: `W/"${createHash('sha256').update(bytes).digest('base64url')}"`,
      // Files below assets/ carry the digest of their content in their names.
      cacheControl: address.startsWith('/assets/') ? 'public, max-age=31536000, immutable' : 'no-cache',
      bytes,
      gzipped: gzipped.length < bytes.length ? gzipped : null,
    });
  }
  return files;
}

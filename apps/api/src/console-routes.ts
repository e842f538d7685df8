import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { type ConsoleFile, readConsoleFiles } from './console-files.ts';
import { httpRefusal } from './errors.ts';

/**
 * What the console may load and where it may talk to: this server only, a WebSocket to it included. Nothing inline, be it
 * script or style: React and the charts set styles through the DOM, which the policy allows.
 * @param publicUrl where people reach the console; if by https, browsers are told never to try without
 */
export function securityHeaders(publicUrl: string | undefined): Record<string, string> {
  return {
    'content-security-policy': [
      "default-src 'none'",
      "script-src 'self'",
      "style-src 'self'",
      "img-src 'self' data:",
      "font-src 'self'",
      "connect-src 'self'",
      "manifest-src 'self'",
      "base-uri 'none'",
      "form-action 'self'",
      "frame-ancestors 'none'",
    ].join('; '),
    'permissions-policy': [...unusedFeatures.map((feature) => `${feature}=()`), 'clipboard-write=(self)'].join(', '),
    'x-content-type-options': 'nosniff',
    'referrer-policy': 'no-referrer',
    'x-frame-options': 'DENY',
    'cross-origin-opener-policy': 'same-origin',
    'cross-origin-resource-policy': 'same-origin',
    ...(publicUrl?.startsWith('https:') ? { 'strict-transport-security': 'max-age=31536000' } : {}),
  };
}

const unusedFeatures = [
  'accelerometer', 'bluetooth', 'camera', 'clipboard-read', 'display-capture', 'geolocation', 'gyroscope', 'hid', 'local-fonts', 'magnetometer',
  'microphone', 'midi', 'payment', 'publickey-credentials-get', 'screen-wake-lock', 'serial', 'usb', 'xr-spatial-tracking',
];

const notBuilt = `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Millrace</title></head>
<body><h1>Millrace</h1>
<p>The API runs; its console is not built. Run <code>npm run build</code> in the repository and start again.</p>
<p>GraphQL is served at <code>/graphql</code>.</p></body></html>
`;

/** Answers a browser that opens one of the console's pages; null to every other request. */
export type ServePage = (request: FastifyRequest, reply: FastifyReply) => FastifyReply | null;

/**
 * The built console, one page for all of its addresses; and the answer to every address that there isn't.
 * @returns serves that page at an address which is also a route of its own
 */
export async function serveConsole(app: FastifyInstance, directory: string | undefined): Promise<ServePage> {
  const files = directory === undefined ? null : await readConsoleFiles(directory);
  const page = files?.get('/index.html');

  const servePage: ServePage = (request, reply) => {
    if (!isNavigation(request, pathnameOf(request))) return null;
    if (page) return sendFile(request, reply, page);
    return reply.header('cache-control', 'no-store').type('text/html; charset=utf-8').send(notBuilt);
  };
  app.get('/*', { config: { cors: false } }, async (request, reply) => {
    const file = files?.get(pathnameOf(request));
    return file ? sendFile(request, reply, file) : (servePage(request, reply) ?? sendNotFound(request, reply));
  });
  app.setNotFoundHandler(sendNotFound);
  return servePage;
}

/** Not by URL, to which `//` is an error. */
const pathnameOf = (request: FastifyRequest): string => request.url.split('?', 1)[0]!;

function sendFile(request: FastifyRequest, reply: FastifyReply, file: ConsoleFile): FastifyReply {
  void reply.headers({ 'cache-control': file.cacheControl, etag: file.etag, vary: 'accept-encoding' });
  if (request.headers['if-none-match'] === file.etag) return reply.code(304).send();
  void reply.type(file.type);
  if (!file.gzipped || !/\bgzip\b/.test(String(request.headers['accept-encoding'] ?? ''))) return reply.send(file.bytes);
  return reply.header('content-encoding', 'gzip').send(file.gzipped);
}

function sendNotFound(request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const error = { code: 'NOT_FOUND', message: 'There is nothing at this address.', remedy: 'GraphQL is served at /graphql.' };
  return reply.code(404).send(httpRefusal(404, error, request.id).body);
}

/** A browser that asks for a page, be it one that only the console's own router knows. */
function isNavigation(request: FastifyRequest, pathname: string): boolean {
  const isPage = !/\.[a-z0-9]+$/i.test(pathname) && !/^\/(graphql|uploads|healthz|readyz)(\/|$)/.test(pathname);
  return isPage && (pathname === '/' || (request.headers.accept ?? '').includes('text/html'));
}

import { existsSync } from 'node:fs';
import path from 'node:path';
import fastifyStatic from '@fastify/static';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { httpRefusal } from './errors.ts';

/** What the console may load and where it may talk to: this server only. Charts set inline styles. */
export const securityHeaders: Record<string, string> = {
  'content-security-policy': [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self' 'unsafe-inline'",
    "img-src 'self' data:",
    "font-src 'self'",
    "connect-src 'self' ws: wss:",
    "manifest-src 'self'",
    "base-uri 'none'",
    "form-action 'self'",
    "frame-ancestors 'none'",
  ].join('; '),
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'x-frame-options': 'DENY',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
};

const notBuilt = `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Millrace</title></head>
<body><h1>Millrace</h1>
<p>The API runs; its console is not built. Run <code>npm run build</code> in the repository and start again.</p>
<p>GraphQL is served at <code>/graphql</code>.</p></body></html>
`;

/** The built console, one page for all of its addresses; and the answer to every address that there isn't. */
export async function serveConsole(app: FastifyInstance, directory: string | undefined): Promise<void> {
  const isBuilt = directory !== undefined && existsSync(path.join(directory, 'index.html'));
  if (isBuilt) {
    await app.register(fastifyStatic, {
      root: path.resolve(directory),
      index: false,
      cacheControl: false,
      setHeaders: (reply, file) => {
        // Files below assets/ carry the digest of their content in their names.
        const isHashed = file.startsWith(path.join(path.resolve(directory), 'assets') + path.sep);
        void reply.header('cache-control', isHashed ? 'public, max-age=31536000, immutable' : 'no-cache');
      },
    });
  }
  const sendPage = (reply: FastifyReply): FastifyReply =>
    isBuilt ? reply.sendFile('index.html') : reply.header('cache-control', 'no-store').type('text/html; charset=utf-8').send(notBuilt);

  app.get('/', (_request, reply) => sendPage(reply));

  app.setNotFoundHandler((request, reply) => {
    if (isNavigation(request)) return sendPage(reply);
    const refusal = httpRefusal(404, { code: 'NOT_FOUND', message: 'There is nothing at this address.', remedy: 'GraphQL is served at /graphql.' }, request.id);
    return reply.code(404).send(refusal.body);
  });
}

function isNavigation(request: FastifyRequest): boolean {
  const { pathname } = new URL(request.url, 'http://server');
  const isPage = !/\.[a-z0-9]+$/i.test(pathname) && !/^\/(graphql|uploads|healthz|readyz)(\/|$)/.test(pathname);
  return request.method === 'GET' && isPage && (request.headers.accept ?? '').includes('text/html');
}

import type { IncomingMessage } from 'node:http';
import cors from '@fastify/cors';
import type { FastifyInstance } from 'fastify';

export interface CrossOriginOptions {
  /** pages of these origins may call the API, with credentials that they hold themselves and never with cookies */
  listed: readonly string[];
  /** where people reach the console, if it is another address than the one the server sees */
  publicUrl: string | undefined;
}

/** Answers to pages of the listed origins may be read by them; all others get no word about it, so that browsers refuse. */
export async function allowListedOrigins(app: FastifyInstance, listed: readonly string[]): Promise<void> {
  if (!listed.length) return;
  await app.register(cors, {
    origin: (origin, done) => done(null, origin !== undefined && listed.includes(origin)),
    credentials: false,
    methods: ['GET', 'POST', 'PUT'],
    // No name that stands for a cookie's session: those are of this origin only.
    allowedHeaders: ['authorization', 'x-api-key', 'content-type', 'accept', 'x-request-id', 'apollo-require-preflight', 'idempotency-key'],
    exposedHeaders: ['x-request-id', 'retry-after', 'ratelimit', 'ratelimit-policy'],
    maxAge: 600,
  });
}

/**
 * Whether an upgrade to a WebSocket may go on: browsers let any page try, and send the cookies of this site along. A
 * program that is no browser names no origin.
 */
export function mayOpenSocket({ headers }: IncomingMessage, { listed, publicUrl }: CrossOriginOptions): boolean {
  const { origin, host } = headers;
  if (origin === undefined || listed.includes(origin)) return true;
  if (publicUrl !== undefined && origin === new URL(publicUrl).origin) return true;
  return URL.canParse(origin) && host !== undefined && new URL(origin).host === host;
}

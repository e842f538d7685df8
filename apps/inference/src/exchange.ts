import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http';
import type { Actor } from '@millrace/auth';
import type { TrustedProxies } from '@millrace/kernel';
import { type JsonBody, parseJsonBody } from './json-body.ts';

/** What an answer consists of: a text or bytes, whose type its headers tell, or what is written as JSON. */
export type AnswerBody = string | Buffer | object;

const nothingNamed: Readonly<Record<string, string | undefined>> = {};

/** A request and the answer to it, from its head to the last byte. */
export class Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly id: string;
  /** `performance.now()` at the head of the request */
  readonly startedAt: number;
  /** of the answer */
  status = 200;
  /** its path as the table of routes has it, and its word in the audit trail */
  route = '(none)';
  action: string | null = null;
  /** what the path names */
  params = nothingNamed;
  /** who calls; null on public routes */
  actor: Actor | null = null;
  /** SHA-256, where the request has an Idempotency-Key */
  bodySha256: string | null = null;
  /** as it was read; null where there was none */
  readBody: JsonBody | null = null;
  readonly #proxies: TrustedProxies;
  /** names and values by turns, as they are sent */
  readonly #headers: string[] = [];
  #atEnd: (() => void) | null = null;
  #isServed = false;

  constructor(request: IncomingMessage, response: ServerResponse, id: string, proxies: TrustedProxies) {
    this.request = request;
    this.response = response;
    this.id = id;
    this.#proxies = proxies;
    this.startedAt = performance.now();
  }

  /** of the request */
  get headers(): IncomingHttpHeaders {
    return this.request.headers;
  }

  get method(): string {
    return this.request.method!;
  }

  get url(): string {
    return this.request.url!;
  }

  /** @throws RequestError where there is none */
  get body(): JsonBody {
    return this.readBody ?? parseJsonBody(Buffer.alloc(0));
  }

  /** Whether the caller has hung up. */
  get isGone(): boolean {
    return this.request.socket.destroyed;
  }

  /** Where the request comes from. */
  get address(): string {
    return this.#proxies.clientAddress(this.request);
  }

  /** What the caller has called: scheme and host. */
  get origin(): string {
    const { headers, socket } = this.request;
    const isProxied = this.#proxies.trusts(socket.remoteAddress ?? '');
    const told = (name: string): string | undefined => (isProxied ? lastOf(headers[name]) : undefined);
    return `${told('x-forwarded-proto') ?? 'http'}://${told('x-forwarded-host') ?? headers.host ?? ''}`;
  }

  /** A header of the answer, in place of one of that name. */
  setHeader(name: string, value: string): this {
    const headers = this.#headers;
    for (let at = 0; at < headers.length; at += 2) {
      if (headers[at] !== name) continue;
      headers[at + 1] = value;
      return this;
    }
    headers.push(name, value);
    return this;
  }

  setHeaders(headers: Readonly<Record<string, string>>): this {
    for (const name in headers) this.setHeader(name, headers[name]!);
    return this;
  }

  header(name: string): string | undefined {
    const headers = this.#headers;
    for (let at = 0; at < headers.length; at += 2) if (headers[at] === name) return headers[at + 1];
    return undefined;
  }

  /** To be called once, when neither an answer is to leave nor anything is done for it any more. At once if that is so already. */
  whenOver(run: () => void): void {
    const { response, request: { socket } } = this;
    const atEnd = (): void => {
      if (this.#isServed && (response.closed || socket.destroyed)) run();
    };
    this.#atEnd = atEnd;
    if (response.closed) return atEnd();
    response.once('close', atEnd);
    if (response.socket) return;
    // It waits behind the answer to an earlier request: if the connection ends before its turn, it is never told.
    socket.setMaxListeners(0).once('close', atEnd);
    response.once('close', () => socket.off('close', atEnd));
  }

  /** Nothing more is done for it. */
  served(): void {
    this.#isServed = true;
    this.#atEnd?.();
  }

  /** Sends the answer, whole. */
  send(body: AnswerBody): void {
    const data = typeof body === 'string' || Buffer.isBuffer(body) ? body : JSON.stringify(body);
    if (data !== body && this.header('content-type') === undefined) this.setHeader('content-type', 'application/json; charset=utf-8');
    if (this.status !== 204) this.setHeader('content-length', String(Buffer.byteLength(data)));
    this.response.writeHead(this.status, this.#headers);
    this.response.end(data);
  }
}

/** Of what several proxies said, the word of the nearest. */
function lastOf(header: string | string[] | undefined): string | undefined {
  return header === undefined ? undefined : String(header).split(',').at(-1)!.trim() || undefined;
}

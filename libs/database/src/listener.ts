import type { Logger } from '@millrace/kernel';
import type pg from 'pg';
import { SerialClient } from './serial-client.ts';
import { endWhenSilent, keepAlive } from './silence.ts';

/** Receives what was notified, or `null` after a gap in the connection: then re-read whatever it keeps you informed of. */
export type NotificationHandler = (payload: string | null) => void;

/** Each process has one such connection as long as it lives: by it the platform's health counts them. */
export const listenerName = 'millrace listener';

/**
 * LISTEN on one connection of its own. A notification is only a hint: it may be lost with the connection, and is then
 * replaced by one `null` to every handler once the connection stands again. Whoever only listens would not notice that nobody
 * is there any more: so it asks now and then, and gives the connection up when there is no answer for as long again.
 */
export class Listener {
  readonly #url: string;
  readonly #logger: Logger;
  readonly #silenceMs: number;
  readonly #handlers = new Map<string, Set<NotificationHandler>>();
  /** per channel: settles when LISTEN is in force, for whoever comes second while the first still waits */
  readonly #listening = new Map<string, Promise<void>>();
  #client: pg.Client | null = null;
  #connecting: Promise<void> | null = null;
  #closed = false;
  #retry: NodeJS.Timeout | undefined;
  #asking: NodeJS.Timeout | undefined;

  constructor(url: string, logger: Logger, silenceMs: number) {
    this.#url = url;
    this.#logger = logger;
    this.#silenceMs = silenceMs;
  }

  async listen(channel: string, handler: NotificationHandler): Promise<() => void> {
    if (!/^[a-z_]+$/.test(channel)) throw new Error(`not a channel name: ${channel}`);
    const handlers = this.#handlers.get(channel) ?? new Set();
    this.#handlers.set(channel, handlers.add(handler));
    const listening = this.#listening.get(channel) ?? this.#begin(channel);
    this.#listening.set(channel, listening);
    try {
      await listening;
    } catch (error) {
      handlers.delete(handler);
      if (this.#listening.get(channel) === listening) this.#listening.delete(channel); // the next one tries anew
      throw error;
    }
    return () => void handlers.delete(handler);
  }

  async #begin(channel: string): Promise<void> {
    const existing = this.#client;
    if (existing) await existing.query(`LISTEN ${channel}`);
    else await this.#connect();
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#retry);
    clearInterval(this.#asking);
    await this.#connecting?.catch(() => undefined);
    await this.#client?.end().catch(() => undefined);
  }

  #connect(): Promise<void> {
    if (this.#client) return Promise.resolve(); // somebody who began to listen was faster than the delay after a loss
    this.#connecting ??= this.#open().finally(() => (this.#connecting = null));
    return this.#connecting;
  }

  async #open(): Promise<void> {
    const client: pg.Client = new SerialClient({
      connectionString: this.#url, ...keepAlive, connectionTimeoutMillis: 5000, application_name: listenerName,
    });
    client.on('notification', ({ channel, payload }) => this.#deliver(channel, payload ?? ''));
    client.on('error', (error) => this.#lost(client, error));
    client.on('end', () => this.#lost(client, null));
    try {
      await client.connect();
      endWhenSilent(client, this.#silenceMs);
      for (const channel of this.#handlers.keys()) await client.query(`LISTEN ${channel}`);
    } catch (error) {
      await client.end().catch(() => undefined);
      throw error;
    }
    this.#client = client;
    clearInterval(this.#asking);
    let isAsked = false;
    this.#asking = setInterval(() => {
      if (isAsked) return;
      isAsked = true;
      client.query('SELECT 1').then(() => (isAsked = false), () => undefined); // where it fails, the connection says so
    }, this.#silenceMs).unref();
  }

  #lost(client: pg.Client, error: Error | null): void {
    if (this.#closed || this.#client !== client) return;
    this.#client = null;
    clearInterval(this.#asking);
    this.#logger.warn({ error: error?.message }, 'the connection for notifications was lost; reconnecting');
    const attempt = (delay: number): void => {
      if (this.#closed) return;
      this.#retry = setTimeout(() => {
        this.#connect().then(
          () => {
            for (const handlers of this.#handlers.values()) for (const handler of handlers) handler(null);
          },
          () => attempt(Math.min(delay * 2, 5000)),
        );
      }, delay);
    };
    attempt(100);
  }

  #deliver(channel: string, payload: string): void {
    for (const handler of this.#handlers.get(channel) ?? []) handler(payload);
  }
}

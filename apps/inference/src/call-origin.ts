import { type Auth, credentialOf, type Origin } from '@millrace/auth';
import type { Exchange } from './exchange.ts';

export type Vouching = Pick<Auth, 'vouchedAddress'>;

/**
 * Where a call comes from, found when somebody wants to know: for most keys nobody does. A class, since an object made with a getter of its own would have a
 * shape of its own, which the engine keeps until its next large collection, and with it all that the getter sees: the whole request.
 */
export class CallOrigin implements Origin {
  readonly #exchange: Exchange;
  readonly #credential: string | null;
  readonly #vouching: Vouching;

  constructor(exchange: Exchange, credential: string | null, vouching: Vouching) {
    this.#exchange = exchange;
    this.#credential = credential;
    this.#vouching = vouching;
  }

  get requestId(): string {
    return this.#exchange.id;
  }

  /** of the caller: also where the API has passed the call on, and vouches for it */
  get address(): string {
    const { headers, address } = this.#exchange;
    return (this.#credential === null ? null : this.#vouching.vouchedAddress(this.#credential, headers['x-millrace-caller'])) ?? address;
  }

  get userAgent(): string | undefined {
    return this.#exchange.headers['user-agent'];
  }
}

/** The same by itself, for who keeps or copies it: the trail. */
export function originOf(exchange: Exchange, vouching: Vouching): Origin {
  const { requestId, address, userAgent } = new CallOrigin(exchange, credentialOf(exchange.headers), vouching);
  return { requestId, address, userAgent };
}

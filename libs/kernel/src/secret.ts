import { inspect } from 'node:util';

const hidden = '(hidden)';

/** The secrets among an app's settings, those in lists too. */
export function secretsIn(settings: object): Secret[] {
  return Object.values(settings).flat().filter((value) => value instanceof Secret);
}

/**
 * A value that prints as `(hidden)` wherever it ends up by accident: in a log line, an error, JSON, a template. The
 * value itself comes out by `reveal()` only, which is called where it is used and can be searched for.
 */
export class Secret {
  readonly #value: string;

  constructor(value: string) {
    this.#value = value;
  }

  reveal(): string {
    return this.#value;
  }

  toString(): string {
    return hidden;
  }

  toJSON(): string {
    return hidden;
  }

  [inspect.custom](): string {
    return hidden;
  }
}

import type { Logger } from './logger.ts';

/** One line at most in so long. */
const lineEveryMs = 10_000;

interface Kind {
  writtenAt: number;
  /** how often since that line */
  count: number;
}

/**
 * A log of what may happen a thousand times a second: a flood must not become one of lines. The first of a kind is written at once, and
 * then one in ten seconds, with the `count` of those since the last line. The kinds are few: they are never forgotten.
 */
export function createFloodLog(logger: Pick<Logger, 'warn'>, message: string, now: () => number = () => performance.now()) {
  const kinds = new Map<string, Kind>();

  /** @param fields of this one time; they stand for the others of the line */
  return (name: string, fields: Record<string, unknown>): void => {
    let kind = kinds.get(name);
    if (!kind) kinds.set(name, (kind = { writtenAt: -Infinity, count: 0 }));
    kind.count += 1;
    const at = now();
    if (at - kind.writtenAt < lineEveryMs) return;
    logger.warn({ ...fields, count: kind.count }, message);
    kind.writtenAt = at;
    kind.count = 0;
  };
}

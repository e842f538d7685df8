import type { ServedEndpoint, ServedVersion } from '@millrace/registry';

/** Which version answers a request, and which ones are shown it as well. */
export interface Turn {
  version: ServedVersion;
  variant: 'STABLE' | 'CANARY';
  mirrors: readonly ServedVersion[];
}

/** The golden ratio's fraction: its multiples lie evenly between 0 and 1, however many are taken. */
const step = (Math.sqrt(5) - 1) / 2;

/**
 * Divides requests by the shares of an endpoint. Not by chance: after any number of requests, each version has had its share
 * of them to within a few.
 */
export function createTrafficTurns(): (served: ServedEndpoint) => Turn {
  let point = 0;
  return (served) => {
    const { version, isStable, shares } = served;
    const variant = isStable ? 'STABLE' : 'CANARY';
    if (!shares.length) return { version, variant, mirrors: [] };
    point = (point + step) % 1;
    // From the other end than shares: what is shown and what is answered do not depend on each other as long as there is room for both.
    const mirrors = shares.filter(({ mirrorPercent }) => point * 100 >= 100 - mirrorPercent).map((share) => share.version);
    let from = 0;
    for (const share of shares) {
      from += share.percent;
      if (point * 100 < from) return { version: share.version, variant: 'CANARY', mirrors: mirrors.filter(({ id }) => id !== share.version.id) };
    }
    return { version, variant, mirrors };
  };
}

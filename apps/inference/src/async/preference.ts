/** Nobody is kept waiting for longer, whatever they prefer. */
const longestWaitSeconds = 60;

export interface Preference {
  /** 0: answer at once */
  waitSeconds: number;
  /** as `Preference-Applied` says it; null where nothing was preferred */
  applied: string | null;
}

/** What `Prefer` asks for (RFC 7240): `respond-async`, `wait`, `wait=10`, or both. Other preferences are none of ours. */
export function readPreference(header: string | string[] | undefined): Preference {
  const wishes = String(header ?? '').split(',').map((wish) => wish.split(';')[0]!.trim().toLowerCase());
  const wait = wishes.map((wish) => /^wait(?:\s*=\s*"?(\d{1,9})"?)?$/.exec(wish)).find((match) => match !== null);
  if (wait) {
    const waitSeconds = Math.min(longestWaitSeconds, wait[1] === undefined ? longestWaitSeconds : Number(wait[1]));
    return { waitSeconds, applied: `wait=${waitSeconds}` };
  }
  return { waitSeconds: 0, applied: wishes.includes('respond-async') ? 'respond-async' : null };
}

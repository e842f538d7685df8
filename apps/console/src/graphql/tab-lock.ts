import { newMark } from './mark.ts';

/** Runs the work while no other tab of this browser runs any under the same name. */
export type TabLock = <Value>(name: string, work: () => Promise<Value>) => Promise<Value>;

const goodForMs = 10_000;
const lookEveryMs = 40;

/**
 * Browsers lend their own locks over HTTPS and on localhost only. Elsewhere one in the local storage does: it has an
 * owner and an end, since a tab that is closed gives nothing back.
 */
export function createTabLock(storage: Storage, locks: LockManager | undefined): TabLock {
  if (locks) return (name, work) => locks.request(name, work) as ReturnType<typeof work>;

  return async (name, work) => {
    const owner = newMark();
    const key = `millrace.lock.${name}`;
    const take = () => storage.setItem(key, JSON.stringify({ owner, end: Date.now() + goodForMs }));
    const holder = () => ownerOf(storage.getItem(key));
    for (;;) {
      if (holder() === null) {
        take();
        // Two tabs may write at the same moment: the later one has it, and both see that after a while.
        await pause(lookEveryMs);
        if (holder() === owner) break;
      } else {
        await pause(lookEveryMs);
      }
    }
    const keeping = setInterval(take, goodForMs / 4);
    try {
      return await work();
    } finally {
      clearInterval(keeping);
      if (holder() === owner) storage.removeItem(key);
    }
  };
}

/** Null where nobody has it any more. */
function ownerOf(text: string | null): string | null {
  if (text === null) return null;
  try {
    const { owner, end } = JSON.parse(text) as { owner?: unknown; end?: unknown };
    return typeof owner === 'string' && typeof end === 'number' && end > Date.now() ? owner : null;
  } catch {
    return null;
  }
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

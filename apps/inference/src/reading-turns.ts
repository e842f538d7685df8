/**
 * Large bodies are read one at a time: however many come at once, between two pieces of them there is room for everybody else.
 * Tenants take turns.
 */
export function createReadingTurns() {
  /** by tenant, in the order of their turns */
  const waiting = new Map<string, (() => void)[]>();
  let isReading = false;

  function next(): void {
    const [first] = waiting;
    if (!first) {
      isReading = false;
      return;
    }
    const [tenantId, [begin, ...others]] = first;
    waiting.delete(tenantId);
    if (others.length) waiting.set(tenantId, others);
    begin!();
  }

  /** Rejects with what the work does. */
  return async function inTurn<Result>(tenantId: string, work: () => Promise<Result>): Promise<Result> {
    if (isReading) {
      await new Promise<void>((begin) => {
        const own = waiting.get(tenantId);
        if (own) own.push(begin);
        else waiting.set(tenantId, [begin]);
      });
    }
    isReading = true;
    try {
      return await work();
    } finally {
      next();
    }
  };
}

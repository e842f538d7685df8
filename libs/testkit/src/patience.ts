/**
 * How long a test asks again and again for what must come soon: so many milliseconds by the clock, and as many of this
 * process's own work. On a busy machine, where neither it nor the servers in it get their turn, it waits for that.
 * @returns tells whether that time is over
 */
export function startPatience(milliseconds: number): () => boolean {
  const begun = performance.now();
  const before = process.cpuUsage();
  return () => {
    const { user, system } = process.cpuUsage(before);
    return performance.now() - begun > milliseconds && (user + system) / 1000 > milliseconds;
  };
}

/** Polls a condition that a notification brings about. @throws after the second that the product promises, on a busy machine later */
export async function withinASecond(condition: () => Promise<boolean>): Promise<void> {
  const isOver = startPatience(1_000);
  while (!(await condition())) {
    if (isOver()) throw new Error('not within a second');
    await new Promise((resolve) => setImmediate(resolve));
  }
}

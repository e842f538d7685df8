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

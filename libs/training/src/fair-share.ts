/** A tenant that has a run to be claimed. */
export interface Turn {
  tenantId: string;
  /** its share is its weight among those that wait */
  weight: number;
  /** what it was served, divided by its weight */
  vtime: number;
  /** whether it waited when the last run was claimed */
  waiting: boolean;
}

/** Sums of many fractions are not exact. */
const tolerance = 1e-6;

/**
 * Whose run is next, and what everybody's virtual time is after it. Of the tenants that have had no more than their share
 * the one whose next run would be over first: earliest eligible virtual deadline first (Stoica and Abdel-Wahab 1995; with
 * runs as the unit, WF²Q of Bennett and Zhang 1996). As long as the same tenants wait, each has had its share of the claims
 * to within one run, also the light ones beside a heavy one, which plain virtual time serves in bursts.
 *
 * Who joins starts where the others are: nobody saves up turns while it has nothing to run, nor is made to pay for more
 * than the one run that it had too early.
 * @param turns all tenants that have a run to be claimed, at least one
 * @param latest the highest virtual time of any tenant, waiting or not: where all begin when nobody was waiting
 */
export function takeTurn(turns: readonly Turn[], latest: number): { tenantId: string; vtimes: Map<string, number> } {
  const before = turns.filter(({ waiting }) => waiting);
  const start = before.length ? meanVtime(before) : latest;
  const vtimes = new Map(
    turns.map(({ tenantId, weight, vtime, waiting }) => [tenantId, waiting ? vtime : before.length ? Math.min(Math.max(vtime, start), start + 1 / weight) : start]),
  );
  const current = turns.map((turn) => ({ ...turn, vtime: vtimes.get(turn.tenantId)! }));
  const now = meanVtime(current);
  const [first] = current
    .filter(({ vtime }) => vtime <= now + tolerance)
    .sort((a, b) => a.vtime + 1 / a.weight - (b.vtime + 1 / b.weight) || (a.tenantId < b.tenantId ? -1 : 1));
  vtimes.set(first!.tenantId, first!.vtime + 1 / first!.weight);
  return { tenantId: first!.tenantId, vtimes };
}

function meanVtime(turns: readonly Turn[]): number {
  let [sum, weights] = [0, 0];
  for (const { weight, vtime } of turns) {
    sum += weight * vtime;
    weights += weight;
  }
  return sum / weights;
}

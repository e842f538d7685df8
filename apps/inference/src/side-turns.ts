import type { Signature } from '@millrace/packaging';
import type { HeldModel } from './model-cache.ts';

/** What a server does beside predictions, whatever comes first: a shadow gets what is left. */
export type SideKind = 'explanation' | 'shadow';

/** Some milliseconds of work beside predictions. */
export interface SidePiece<Result> {
  kind: SideKind;
  tenantId: string;
  /** by the clock of the turns: then it is not begun any more */
  deadline: number;
  /** the model that it has predict, and waits for; left out where it holds the server's own thread */
  held?: HeldModel;
  /** it holds the thread, or waits for nothing but a model that does */
  work(): Result | Promise<Result>;
}

/** There was no room for a piece of work, or its turn did not come in time. */
export class NoTurn extends Error {}

/** Rows of one turn: a part of what a call of predictions may take, so that these get theirs sooner. */
export const rowsOfTurn = ({ graph }: Signature): number => Math.max(1, Math.min(256, Math.ceil(graph.rowsPerCall / 4)));

interface Waiting {
  piece: SidePiece<unknown>;
  /** never rejects */
  run(): Promise<void>;
  drop(): void;
}

interface Tenant {
  id: string;
  waiting: Waiting[];
  /** time that it has had, by the clock of its kind */
  used: number;
}

interface Queue {
  tenants: Map<string, Tenant>;
  waiting: number;
  clock: number;
}

export interface SideTurn {
  kind: SideKind;
  /** never rejects */
  run(): Promise<void>;
  /** to be told how long it took */
  charge(ms: number): void;
}

export interface SideTurnsOptions {
  /** shadows that wait in all; then the tenant with the most loses its youngest */
  mostShadows?: number;
  mostShadowsOfTenant?: number;
}

/** The share of the time that explanations have even where predictions never end. */
const leastShare = 0.1;

/**
 * The order of what is done beside predictions: explanations before shadows, and the tenants of each by the time that they have
 * used. Explanations come to an end however many predictions there are; shadows only get what nobody else wants.
 */
export function createSideTurns({ mostShadows = 64, mostShadowsOfTenant = 32 }: SideTurnsOptions = {}) {
  const queues: Record<SideKind, Queue> = { explanation: { tenants: new Map(), waiting: 0, clock: 0 }, shadow: { tenants: new Map(), waiting: 0, clock: 0 } };
  /** time of predictions since explanations that wait had their last turn, and how long that took */
  const since = { predictionsMs: 0, lastMs: 0 };

  /** Whether there is room for one more shadow of a tenant, perhaps in the place of another's. */
  function makeRoom(own: Tenant): boolean {
    if (own.waiting.length >= mostShadowsOfTenant) return false;
    if (queues.shadow.waiting < mostShadows) return true;
    let largest = own;
    for (const tenant of queues.shadow.tenants.values()) if (tenant.waiting.length > largest.waiting.length) largest = tenant;
    if (largest.waiting.length <= own.waiting.length + 1) return false;
    largest.waiting.pop()!.drop();
    queues.shadow.waiting -= 1;
    return true;
  }

  /** The tenant whose turn it is. One without work is remembered only for as long as it has used more than the others. */
  function nextOf({ tenants, clock }: Queue): Tenant {
    let next: Tenant | null = null;
    for (const tenant of tenants.values()) {
      if (tenant.waiting.length) next = next && next.used <= tenant.used ? next : tenant;
      else if (tenant.used <= clock) tenants.delete(tenant.id);
    }
    return next!;
  }

  return {
    /** Resolves once it has been run. @throws NoTurn, and what the work throws */
    wait<Result>(piece: SidePiece<Result>): Promise<Result> {
      const queue = queues[piece.kind];
      const own = queue.tenants.get(piece.tenantId) ?? { id: piece.tenantId, waiting: [], used: 0 };
      queue.tenants.set(own.id, own);
      // Whoever had nothing to do does not get the time for it later.
      if (!own.waiting.length) own.used = Math.max(own.used, queue.clock);
      if (piece.kind === 'shadow' && !makeRoom(own)) return Promise.reject(new NoTurn('too many shadows wait'));
      return new Promise((resolve, reject) => {
        const run = async (): Promise<void> => {
          try {
            resolve(await piece.work());
          } catch (error) {
            reject(error as Error);
          }
        };
        own.waiting.push({ piece, run, drop: () => reject(new NoTurn('its turn did not come in time')) });
        queue.waiting += 1;
      });
    },

    /** The next turn; those that would come too late are dropped. */
    take(now: number): SideTurn | null {
      for (const queue of [queues.explanation, queues.shadow]) {
        while (queue.waiting > 0) {
          const tenant = nextOf(queue);
          const { piece, run, drop } = tenant.waiting.shift()!;
          queue.waiting -= 1;
          queue.clock = Math.max(queue.clock, tenant.used);
          if (piece.deadline < now) {
            drop();
            continue;
          }
          const charge = (ms: number): void => {
            tenant.used += ms;
            if (piece.kind === 'explanation') Object.assign(since, { predictionsMs: 0, lastMs: ms });
          };
          return { kind: piece.kind, run, charge };
        }
      }
      return null;
    },

    /** Predictions have had so long. */
    predicted(ms: number): void {
      since.predictionsMs = queues.explanation.waiting > 0 ? since.predictionsMs + ms : 0;
    },

    /** Whether an explanation has been waiting for longer than predictions may keep it, whatever they have to do. */
    get isDue(): boolean {
      return queues.explanation.waiting > 0 && since.predictionsMs > 0 && since.predictionsMs * leastShare >= since.lastMs * (1 - leastShare);
    },

    get waiting(): number {
      return queues.explanation.waiting + queues.shadow.waiting;
    },
  };
}

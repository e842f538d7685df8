import type { Prediction } from '@millrace/packaging';
import type { ServedEndpoint, ServedVersion, TrafficRecorder } from '@millrace/registry';
import type { Batcher } from './batcher.ts';
import type { HeldModel, ModelCache } from './model-cache.ts';
import type { ReadRequest } from './protocols/protocol.ts';
import { NoTurn, rowsOfTurn } from './side-turns.ts';

export interface ShadowOptions {
  models: ModelCache;
  traffic: Pick<TrafficRecorder, 'record'>;
  turns: Pick<Batcher, 'beside'>;
  observe?: { shown(): void; dropped(): void };
}

export interface MirroredRequest {
  served: ServedEndpoint;
  versions: readonly ServedVersion[];
  body: unknown;
  read: ReadRequest;
  /** what was answered */
  predictions: readonly Prediction[];
}

/** Numbers differ where they are further apart than this share of the larger. */
const tolerance = 1e-6;
/** A request is shown soon or not at all: those that wait take memory. */
const patienceMs = 5_000;
/** Requests for which a version is being loaded, or that wait for their turn. */
const mostUnderWay = 128;

export type Shadow = ReturnType<typeof createShadow>;

/**
 * Shows requests to further versions, and counts how these would have answered. Nobody waits for it, nobody pays for it, and it
 * only gets the time that predictions and explanations leave: what finds no turn is dropped and counted.
 */
export function createShadow({ models, traffic, turns, observe }: ShadowOptions) {
  const underWay = new Set<Promise<void>>();

  async function show(version: ServedVersion, { served, body, read, predictions }: MirroredRequest): Promise<void> {
    const { tenantId } = version;
    const deadline = performance.now() + patienceMs;
    /** its own, not that of waiting */
    let milliseconds = 0;
    const count = (outcome: 'answered' | 'differing' | 'refused' | 'error'): void => {
      observe?.shown();
      traffic.record({ tenantId, endpointId: served.endpoint.id, versionId: version.id, variant: 'SHADOW', outcome, milliseconds });
    };
    const inTurn = <Result>(work: () => Result | Promise<Result>, held?: HeldModel): Promise<Result> =>
      turns.beside({
        kind: 'shadow', tenantId, deadline, ...(held && { held }),
        work: async () => {
          const begun = performance.now();
          const result = await work();
          milliseconds += performance.now() - begun;
          return result;
        },
      });
    try {
      const held = await models.hold(version, served.endpoint);
      try {
        const { checked } = await inTurn(() => read(held.model.signature, body));
        if (checked.type === 'invalid') return count('refused');
        const { rows } = checked;
        const others: Prediction[] = [];
        const step = rowsOfTurn(held.model.signature);
        for (let from = 0; from < rows.count; from += step) others.push(...(await inTurn(() => held.model.predict(rows, from, Math.min(from + step, rows.count)), held)));
        count(others.length === predictions.length && others.every((other, row) => agrees(other, predictions[row]!)) ? 'answered' : 'differing');
      } finally {
        held.release();
      }
    } catch (error) {
      if (error instanceof NoTurn) observe?.dropped();
      else count('error');
    }
  }

  return {
    mirror(request: MirroredRequest): void {
      for (const version of request.versions) {
        if (underWay.size >= mostUnderWay) {
          observe?.dropped();
          continue;
        }
        const showing = show(version, request).finally(() => underWay.delete(showing));
        underWay.add(showing);
      }
    },

    /** Resolves when nothing is under way any more. */
    async close(): Promise<void> {
      await Promise.all(underWay);
    },
  };
}

/** One says the same as the other: the same label, the same items in the same order, or the same number but for rounding. */
function agrees(a: Prediction, b: Prediction): boolean {
  if ('label' in a || 'label' in b) return 'label' in a && 'label' in b && a.label === b.label;
  if ('items' in a || 'items' in b) return 'items' in a && 'items' in b && a.items.join('\n') === b.items.join('\n');
  return Math.abs(a.value - b.value) <= tolerance * Math.max(Math.abs(a.value), Math.abs(b.value));
}

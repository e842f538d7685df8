import type { Prediction } from '@millrace/packaging';
import type { ServedEndpoint, ServedVersion, TrafficRecorder } from '@millrace/registry';
import type { ModelCache } from './model-cache.ts';
import type { ReadRequest } from './protocols/protocol.ts';

export interface ShadowOptions {
  models: ModelCache;
  traffic: Pick<TrafficRecorder, 'record'>;
  /** mirrored requests under way at a time; further ones are not mirrored */
  maxInFlight: number;
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

export type Shadow = ReturnType<typeof createShadow>;

/**
 * Shows requests to further versions, and counts how these would have answered. Nobody waits for it, nobody pays for it, and
 * it gives way when there is much to do.
 */
export function createShadow({ models, traffic, maxInFlight }: ShadowOptions) {
  const underWay = new Set<Promise<void>>();

  async function show(version: ServedVersion, { served, body, read, predictions }: MirroredRequest): Promise<void> {
    const begun = performance.now();
    const count = (outcome: 'answered' | 'differing' | 'refused' | 'error'): void =>
      traffic.record({ tenantId: version.tenantId, endpointId: served.endpoint.id, versionId: version.id, variant: 'SHADOW', outcome, milliseconds: performance.now() - begun });
    try {
      const held = await models.hold(version, served.endpoint);
      try {
        const { checked } = read(held.model.signature, body);
        if (checked.type === 'invalid') return count('refused');
        const others = await held.model.predict(checked.rows);
        count(others.length === predictions.length && others.every((other, row) => agrees(other, predictions[row]!)) ? 'answered' : 'differing');
      } finally {
        held.release();
      }
    } catch {
      count('error');
    }
  }

  return {
    mirror(request: MirroredRequest): void {
      for (const version of request.versions) {
        if (underWay.size >= maxInFlight) return;
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

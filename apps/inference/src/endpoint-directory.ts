import type { Database } from '@millrace/database';
import type { Logger } from '@millrace/kernel';
import { aliasProblem, nameProblem, type Registry, type ServedEndpoint, type ServedShare, type TrafficRecorder } from '@millrace/registry';
import { z } from 'zod';
import { FreshValue } from './fresh-value.ts';
import type { ModelCache } from './model-cache.ts';

export interface EndpointDirectoryOptions {
  registry: Pick<Registry, 'resolveEndpoint' | 'listEndpointNames' | 'listVersionNumbers' | 'versionNumberOfAlias'>;
  database: Pick<Database, 'listen'>;
  models: ModelCache;
  traffic: Pick<TrafficRecorder, 'record'>;
  logger: Logger;
  /** so long callers wait for a version that has a share of the traffic, when nothing is known yet */
  patienceMs?: number;
}

const believed = { renewAfterMs: 20_000, staleAfterMs: 30_000 };
/** An absence is believed only shortly: names are guessed, and must not fill the memory or hide a new endpoint. */
const believedAbsent = { renewAfterMs: 1_000, staleAfterMs: 1_000 };
const usualPatienceMs = 2_000;
const maxValues = 10_000;
/** What nobody has asked for in so long is dropped rather than fetched anew when the tenant changes something. */
const idleMs = 60_000;

/** Endpoints that a process finds ahead for its predecessor's callers, and how long it may take over it. */
const mostWarmed = 1_000;
const warmingMs = 10_000;
const warmEndpoint = z.object({ tenantId: z.string(), name: z.string(), versionNumber: z.number().optional() });
type WarmEndpoint = { tenantId: string; name: string; versionNumber?: number | undefined };

/**
 * Which version each endpoint serves, from memory. A change is noticed by notification at once and by age otherwise.
 * A version that takes over is loaded first, so a moved alias never makes a request wait or fail.
 */
export class EndpointDirectory {
  readonly #options: EndpointDirectoryOptions;
  readonly #endpoints = new Map<string, { tenantId: string; asked: WarmEndpoint; value: FreshValue<ServedEndpoint | null> }>();
  readonly #labels = new Map<string, { tenantId: string; value: FreshValue<number | null> }>();
  readonly #names = new Map<string, { tenantId: string; value: FreshValue<string[]> }>();
  #stopListening: () => void = () => undefined;

  constructor(options: EndpointDirectoryOptions) {
    this.#options = options;
  }

  async start(): Promise<void> {
    this.#stopListening = await this.#options.database.listen('millrace_registry', (tenantId) => this.#changed(tenantId));
  }

  stop(): void {
    this.#stopListening();
  }

  /** What the endpoint serves, or a chosen version of its model; null when there is none. @throws DomainError UNAVAILABLE */
  find(tenantId: string, name: string, versionNumber?: number): ServedEndpoint | null | Promise<ServedEndpoint | null> {
    const key = `${tenantId}/${name}/${versionNumber ?? ''}`;
    let entry = this.#endpoints.get(key);
    if (!entry) {
      if (nameProblem(name, 'model', 'endpoint')) return null;
      const value: FreshValue<ServedEndpoint | null> = new FreshValue(
        (current) => this.#resolve({ tenantId, name, versionNumber }, current, () => value.invalidate()),
        (served) => (served ? believed : believedAbsent),
      );
      entry = { tenantId, asked: { tenantId, name, ...(versionNumber === undefined ? {} : { versionNumber }) }, value };
      remember(this.#endpoints, key, entry);
    }
    return entry.value.get();
  }

  /** The endpoints that were asked lately, for `warm` of another process. Data, to be sent. */
  inUse(): WarmEndpoint[] {
    const now = performance.now();
    return [...this.#endpoints.values()].filter(({ value }) => value.latest && now - value.usedAt < idleMs).slice(-mostWarmed).map(({ asked }) => asked);
  }

  /**
   * Finds and loads ahead what another process had in use, so that the first requests need not wait for it.
   * @param inUse as it came from there, which may be another version of this program
   */
  async warm(inUse: unknown): Promise<void> {
    const { data: endpoints = [] } = z.array(warmEndpoint).safeParse(inUse);
    const deadline = performance.now() + warmingMs;
    for (const { tenantId, name, versionNumber } of endpoints) {
      if (performance.now() > deadline) return;
      try {
        const served = await this.find(tenantId, name, versionNumber);
        if (served) (await this.#options.models.hold(served.version, served.endpoint)).release();
      } catch {
        // Told of when somebody asks for it.
      }
    }
  }

  /** Names of the tenant's endpoints, in the order of their making. */
  names(tenantId: string): string[] | Promise<string[]> {
    let entry = this.#names.get(tenantId);
    if (!entry) {
      entry = { tenantId, value: new FreshValue(() => this.#options.registry.listEndpointNames(tenantId), () => believed) };
      remember(this.#names, tenantId, entry);
    }
    return entry.value.get();
  }

  /** The version that an alias of the endpoint's model names; null when there is none. @throws DomainError UNAVAILABLE */
  labelled(tenantId: string, name: string, label: string): number | null | Promise<number | null> {
    if (nameProblem(name, 'model', 'endpoint') || aliasProblem(label, 'label')) return null;
    const key = `${tenantId}/${name}/${label}`;
    let entry = this.#labels.get(key);
    if (!entry) {
      const value = new FreshValue<number | null>(
        () => this.#options.registry.versionNumberOfAlias(tenantId, name, label),
        (number) => (number === null ? believedAbsent : believed),
      );
      entry = { tenantId, value };
      remember(this.#labels, key, entry);
    }
    return entry.value.get();
  }

  /** Versions that can be asked for by number, oldest first. */
  versions(tenantId: string, name: string): Promise<number[]> {
    return this.#options.registry.listVersionNumbers(tenantId, name);
  }

  /** @param again to be called when there is more to be known */
  async #resolve({ tenantId, name, versionNumber }: WarmEndpoint, current: ServedEndpoint | null | undefined, again: () => void): Promise<ServedEndpoint | null> {
    const served = await this.#options.registry.resolveEndpoint(tenantId, name, versionNumber);
    if (!served) return null;
    const shares = await this.#loadable(served, again);
    this.#options.models.keep(served.version, served.endpoint);
    if (!current || served.version.id === current.version.id) return { ...served, shares };
    try {
      (await this.#options.models.hold(served.version, served.endpoint)).release();
      return { ...served, shares };
    } catch {
      // The cache has logged why. What is loaded serves on: a broken successor must not take the endpoint down.
      this.#options.logger.error(
        { endpoint: name, tenantId, wanted: served.version.number, serving: current.version.number },
        'the version that should take over cannot be loaded; the one before serves on',
      );
      // Its shares and settings are followed all the same.
      return { ...current, endpoint: served.endpoint, shares: shares.filter(({ version }) => version.id !== current.version.id) };
    }
  }

  /** Only what is loaded gets a share of the traffic, and nobody waits long for it: what comes later gets its share then. */
  async #loadable({ endpoint, shares }: ServedEndpoint, again: () => void): Promise<ServedShare[]> {
    if (!shares.length) return shares;
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<'late'>((resolve) => (timer = setTimeout(resolve, this.#options.patienceMs ?? usualPatienceMs, 'late')));
    const loaded = await Promise.all(
      shares.map(async (share) => {
        const loading = this.#load(endpoint, share);
        const isLoaded = await Promise.race([loading, late]);
        if (isLoaded === 'late') void loading.then((found) => found && again());
        return isLoaded === true ? [share] : [];
      }),
    );
    clearTimeout(timer);
    return loaded.flat();
  }

  /** Whether the version of a share could be loaded. That it could not is told to whoever watches over the rollout. */
  async #load(endpoint: ServedEndpoint['endpoint'], { version, percent }: ServedShare): Promise<boolean> {
    try {
      (await this.#options.models.hold(version, endpoint)).release();
      return true;
    } catch {
      const { tenantId, id: versionId } = version;
      this.#options.logger.error({ endpoint: endpoint.name, tenantId, version: version.number }, 'a version that has a share of the traffic cannot be loaded; it gets none');
      this.#options.traffic.record({ tenantId, endpointId: endpoint.id, versionId, variant: percent > 0 ? 'CANARY' : 'SHADOW', outcome: 'error', milliseconds: 0 });
      return false;
    }
  }

  #changed(tenantId: string | null): void {
    const now = performance.now();
    for (const entries of [this.#endpoints, this.#labels, this.#names]) {
      for (const [key, { tenantId: owner, value }] of entries) {
        if (tenantId !== null && owner !== tenantId) continue;
        if (now - value.usedAt > idleMs) entries.delete(key);
        else value.invalidate();
      }
    }
  }
}

/** A full map forgets what was added first: it is asked for again if it is still in use. */
function remember<Value>(map: Map<string, Value>, key: string, value: Value): void {
  if (map.size >= maxValues) map.delete(map.keys().next().value!);
  map.set(key, value);
}

import { DomainError, type Logger } from '@millrace/kernel';
import { type LoadedModel, loadModel, type LoadOptions, type ModelThread, type ModelThreads, type PackageFiles } from '@millrace/packaging';
import type { Registry, ServedVersion } from '@millrace/registry';
import { RequestError } from './request-error.ts';
import { type WarmUp, warmUp } from './warm-up.ts';

/** A model in use. Until `release`, it stays loaded. */
export interface HeldModel {
  readonly model: LoadedModel;
  /** whether rows of several requests may be run together: see `warmUp` */
  readonly isJoinable: boolean;
  /** in which it runs; null for the server's own */
  readonly thread: ModelThread | null;
  release(): void;
}

/** For which endpoint a model is held, and how long it is kept for it after its last use; null: for good. */
export interface Keeper {
  id: string;
  serving: { idleSeconds: number | null };
}

export type UnloadReason = 'memory' | 'idle' | 'lost' | 'shutdown';

export interface ModelCacheOptions {
  registry: Pick<Registry, 'readPackage'>;
  /** of the models loaded at a time, as `sizeOf` counts them */
  maxBytes: number;
  /** for models that take long; all run in the server's own thread if left out */
  threads?: Pick<ModelThreads, 'next'>;
  /** milliseconds that a call with one row must take for it */
  longMs?: number;
  logger: Logger;
  /** bytes that a model takes: what was measured, at least the size of its package */
  sizeOf?: (model: LoadedModel, version: ServedVersion) => number;
  observe?: { loaded(isLoaded: boolean): void; unloaded(reason: UnloadReason): void };
  now?: () => number;
}

interface Slot {
  version: ServedVersion;
  loading: Promise<HeldModel>;
  model: LoadedModel | null;
  held: HeldModel | null;
  users: number;
  bytes: number;
  /** by endpoint: until when it is kept without being used */
  keepers: Map<string, number>;
}

type Loaded = Pick<HeldModel, 'model' | 'isJoinable' | 'thread'>;

/** A load that failed is not tried again for so long: a damaged package must not be read once per request. */
const failureLifeMs = 2_000;

/** A call that takes so many milliseconds is worth the way to another thread and back, some tens of microseconds. */
const usualLongMs = 0.25;

/**
 * A package from so many bytes on is loaded in a thread first: while the server's own loads a graph, it answers nobody. A model
 * that turns out to be quick is loaded there again only if that takes no longer than this.
 */
const largeBytes = 1024 ** 2;
const longestLoadMs = 50;

/** How often models are looked at that nobody asks for. */
const sweepMs = 1_000;

/**
 * Keeps models loaded, least recently used out first. A package is read and verified once however many ask for it at
 * once; a model that requests still use is never unloaded, even if that exceeds the budget for a moment.
 */
export class ModelCache {
  readonly #options: ModelCacheOptions;
  readonly #slots = new Map<string, Slot>();
  /** the last one of them, by use */
  #newest: Slot | null = null;
  readonly #failures = new Map<string, { error: RequestError; until: number }>();
  readonly #closing = new Set<Promise<void>>();
  readonly #now: () => number;
  #bytes = 0;
  #sweeping: NodeJS.Timeout | undefined;

  constructor(options: ModelCacheOptions) {
    this.#options = options;
    this.#now = options.now ?? (() => performance.now());
  }

  /** From now on, models that no endpoint keeps are unloaded by themselves. */
  start(): void {
    this.#sweeping = setInterval(() => this.sweep(), sweepMs).unref();
  }

  /**
   * The model of a version, for one request; loaded, and warm, when it comes. Without a keeper it stays until memory is short.
   * @throws RequestError 503 `model_unavailable` when it can't be loaded
   */
  hold(version: ServedVersion, keeper?: Keeper): HeldModel | Promise<HeldModel> {
    const key = `${version.tenantId}/${version.id}`;
    const known = this.#slots.get(key);
    if (known?.model?.isLost) this.#unload(key, known, 'lost');
    else if (known) {
      known.users++;
      if (known !== this.#newest) {
        this.#slots.delete(key); // the order of the map is that of last use
        this.#slots.set(key, known);
        this.#newest = known;
      }
      this.#keep(known, keeper);
      return known.held ?? known.loading;
    }
    return this.#load(key, version, keeper);
  }

  /** An endpoint says anew how long its model is to be kept, if it is loaded. */
  keep(version: ServedVersion, keeper: Keeper): void {
    const slot = this.#slots.get(`${version.tenantId}/${version.id}`);
    if (slot) this.#keep(slot, keeper);
  }

  /** Unloads what no endpoint keeps any longer. */
  sweep(): void {
    const now = this.#now();
    for (const [key, slot] of this.#slots) {
      if (slot.users > 0 || !slot.keepers.size) continue;
      if ([...slot.keepers.values()].every((until) => until <= now)) this.#unload(key, slot, 'idle');
    }
  }

  isLoaded(version: ServedVersion): boolean {
    const model = this.#slots.get(`${version.tenantId}/${version.id}`)?.model;
    return model != null && !model.isLost;
  }

  get loadedModels(): number {
    return this.#slots.size;
  }

  get loadedBytes(): number {
    return this.#bytes;
  }

  /** Unloads everything, each model once its requests are done. */
  async close(): Promise<void> {
    clearInterval(this.#sweeping);
    for (const [key, slot] of this.#slots) {
      await slot.loading.catch(() => undefined);
      this.#unload(key, slot, 'shutdown');
    }
    await Promise.all(this.#closing);
  }

  #keep(slot: Slot, keeper: Keeper | undefined): void {
    if (keeper) slot.keepers.set(keeper.id, keeper.serving.idleSeconds === null ? Infinity : this.#now() + keeper.serving.idleSeconds * 1000);
  }

  #load(key: string, version: ServedVersion, keeper: Keeper | undefined): Promise<HeldModel> {
    const failure = this.#failures.get(key);
    if (failure && failure.until > performance.now()) return Promise.reject(failure.error);
    this.#failures.delete(key);
    // Before it counts: nobody else's model makes room for what is not to be loaded.
    if (version.sizeBytes > this.#options.maxBytes) return Promise.reject(this.#fail(key, version, tooLarge(version.sizeBytes, this.#options.maxBytes)));
    const slot: Slot = { version, model: null, held: null, users: 1, bytes: version.sizeBytes, keepers: new Map(), loading: undefined as never };
    this.#keep(slot, keeper);
    this.#bytes += slot.bytes;
    this.#slots.set(key, (this.#newest = slot));
    this.#makeRoom();
    slot.loading = this.#read(version).then(
      ({ model, isJoinable, thread }) => {
        this.#options.observe?.loaded(true);
        // One that turns out to take more than there is takes all of it: counted in full, it would be unloaded at once, and loaded again for each request.
        const bytes = Math.min((this.#options.sizeOf ?? sizeOf)(model, version), this.#options.maxBytes);
        this.#bytes += bytes - slot.bytes;
        slot.bytes = bytes;
        slot.model = model;
        slot.held = {
          model,
          isJoinable,
          thread,
          release: () => {
            slot.users--;
            if (this.#bytes > this.#options.maxBytes) this.#makeRoom();
          },
        };
        this.#makeRoom();
        return slot.held;
      },
      (error: unknown) => {
        this.#slots.delete(key);
        this.#bytes -= slot.bytes;
        throw this.#fail(key, version, error);
      },
    );
    return slot.loading;
  }

  #fail(key: string, { id, tenantId }: ServedVersion, cause: unknown): RequestError {
    this.#options.observe?.loaded(false);
    const error = unavailable(cause);
    this.#failures.set(key, { error, until: performance.now() + failureLifeMs });
    this.#options.logger.error({ error: String(cause), versionId: id, tenantId }, 'a model could not be loaded');
    return error;
  }

  async #read(version: ServedVersion): Promise<Loaded> {
    const { registry, threads, longMs = usualLongMs } = this.#options;
    const files = await registry.readPackage(version);
    const options = { digest: version.packageSha256, ...(version.signer === null ? {} : { signer: version.signer }) };
    if (threads && version.sizeBytes >= largeBytes) {
      const loaded = await loadInThread(files, { ...options, thread: threads.next() });
      if (loaded.msPerCall >= longMs || loaded.model.openedInMs > longestLoadMs) return loaded;
      await loaded.model.close();
    }
    const model = await loadModel(files, options);
    const { isJoinable, msPerCall } = await warmUp(model, threads ? { tooLongMs: longMs } : {});
    if (!threads || msPerCall < longMs) return { model, isJoinable, thread: null };
    await model.close();
    return loadInThread(files, { ...options, thread: threads.next() });
  }

  #makeRoom(): void {
    for (const [key, slot] of this.#slots) {
      if (this.#bytes <= this.#options.maxBytes) return;
      if (slot.users === 0 && slot.model) this.#unload(key, slot, 'memory');
    }
  }

  #unload(key: string, slot: Slot, reason: UnloadReason): void {
    if (!slot.model) return;
    this.#options.observe?.unloaded(reason);
    this.#slots.delete(key);
    this.#bytes -= slot.bytes;
    const closing = slot.model.close().finally(() => this.#closing.delete(closing));
    this.#closing.add(closing);
  }
}

async function loadInThread(files: PackageFiles, options: LoadOptions & { thread: ModelThread }): Promise<Loaded & WarmUp> {
  const { thread } = options;
  const model = await loadModel(files, options);
  const warm = await warmUp(model);
  // What ends a thread takes everybody's models with it: not to be tried again once per request.
  if (model.isLost) throw new Error('its thread has ended while it was warmed up');
  return { ...warm, model, thread };
}

const sizeOf = ({ memoryBytes }: LoadedModel, { sizeBytes }: ServedVersion): number => Math.max(memoryBytes, sizeBytes);

const tooLarge = (bytes: number, maxBytes: number): DomainError =>
  new DomainError('UNAVAILABLE', `The package has ${bytes} bytes; this server keeps at most ${maxBytes} loaded.`, {
    remedy: 'Raise the memory for models of the inference server, or make the model smaller.',
  });

function unavailable(cause: unknown): RequestError {
  return new RequestError(503, 'model_unavailable', 'The model cannot be loaded at the moment.', {
    field: 'model',
    remedy: 'Try again; if it stays, ask your administrator to look at the log of the inference server, or move the alias to another version.',
    retryAfterSeconds: 5,
    cause,
  });
}

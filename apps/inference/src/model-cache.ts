import { DomainError, type Logger } from '@millrace/kernel';
import { type LoadedModel, loadModel } from '@millrace/packaging';
import type { Registry, ServedVersion } from '@millrace/registry';
import { RequestError } from './request-error.ts';

/** A model in use. Until `release`, it stays loaded. */
export interface HeldModel {
  readonly model: LoadedModel;
  release(): void;
}

export interface ModelCacheOptions {
  registry: Pick<Registry, 'readPackage'>;
  /** packages loaded at a time, by their size on disk */
  maxBytes: number;
  logger: Logger;
}

interface Slot {
  version: ServedVersion;
  loading: Promise<HeldModel>;
  model: LoadedModel | null;
  held: HeldModel | null;
  users: number;
}

/** A load that failed is not tried again for so long: a damaged package must not be read once per request. */
const failureLifeMs = 2_000;

/**
 * Keeps models loaded, least recently used out first. A package is read and verified once however many ask for it at
 * once; a model that requests still use is never unloaded, even if that exceeds the budget for a moment.
 */
export class ModelCache {
  readonly #options: ModelCacheOptions;
  readonly #slots = new Map<string, Slot>();
  readonly #failures = new Map<string, { error: RequestError; until: number }>();
  readonly #closing = new Set<Promise<void>>();
  #bytes = 0;

  constructor(options: ModelCacheOptions) {
    this.#options = options;
  }

  /** The model of a version, for one request. @throws RequestError 503 `model_unavailable` when it can't be loaded */
  hold(version: ServedVersion): HeldModel | Promise<HeldModel> {
    const key = `${version.tenantId}/${version.id}`;
    const known = this.#slots.get(key);
    if (known) {
      known.users++;
      this.#slots.delete(key); // the order of the map is that of last use
      this.#slots.set(key, known);
      return known.held ?? known.loading;
    }
    return this.#load(key, version);
  }

  isLoaded(version: ServedVersion): boolean {
    return this.#slots.get(`${version.tenantId}/${version.id}`)?.model != null;
  }

  get loadedModels(): number {
    return this.#slots.size;
  }

  get loadedBytes(): number {
    return this.#bytes;
  }

  /** Unloads everything, each model once its requests are done. */
  async close(): Promise<void> {
    for (const [key, slot] of this.#slots) {
      await slot.loading.catch(() => undefined);
      this.#unload(key, slot);
    }
    await Promise.all(this.#closing);
  }

  #load(key: string, version: ServedVersion): Promise<HeldModel> {
    const failure = this.#failures.get(key);
    if (failure && failure.until > performance.now()) return Promise.reject(failure.error);
    this.#failures.delete(key);
    const slot: Slot = { version, model: null, held: null, users: 1, loading: undefined as never };
    this.#bytes += version.sizeBytes;
    this.#slots.set(key, slot);
    this.#makeRoom();
    slot.loading = this.#read(version).then(
      (model) => {
        slot.model = model;
        slot.held = {
          model,
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
        this.#bytes -= version.sizeBytes;
        const refusal = unavailable(error);
        this.#failures.set(key, { error: refusal, until: performance.now() + failureLifeMs });
        this.#options.logger.error({ error: String(error), versionId: version.id, tenantId: version.tenantId }, 'a model could not be loaded');
        throw refusal;
      },
    );
    return slot.loading;
  }

  async #read(version: ServedVersion): Promise<LoadedModel> {
    const { registry, maxBytes } = this.#options;
    if (version.sizeBytes > maxBytes) {
      throw new DomainError('UNAVAILABLE', `The package has ${version.sizeBytes} bytes; this server keeps at most ${maxBytes} loaded.`, {
        remedy: 'Raise the memory for models of the inference server, or make the model smaller.',
      });
    }
    return loadModel(await registry.readPackage(version), { digest: version.packageSha256, ...(version.signer === null ? {} : { signer: version.signer }) });
  }

  #makeRoom(): void {
    for (const [key, slot] of this.#slots) {
      if (this.#bytes <= this.#options.maxBytes) return;
      if (slot.users === 0 && slot.model) this.#unload(key, slot);
    }
  }

  #unload(key: string, slot: Slot): void {
    if (!slot.model) return;
    this.#slots.delete(key);
    this.#bytes -= slot.version.sizeBytes;
    const closing = slot.model.close().finally(() => this.#closing.delete(closing));
    this.#closing.add(closing);
  }
}

function unavailable(cause: unknown): RequestError {
  return new RequestError(503, 'model_unavailable', 'The model cannot be loaded at the moment.', {
    field: 'model',
    remedy: 'Try again; if it stays, ask your administrator to look at the log of the inference server, or move the alias to another version.',
    retryAfterSeconds: 5,
    cause,
  });
}

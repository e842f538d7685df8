import fs from 'node:fs/promises';
import { irisSpec, type Product, sampleData } from '@millrace/testkit';

/** A GraphQL client that signs in again when it must, and notes each run that it was promised. */
export class ProductClient {
  /** ids of the runs that the product has promised to bring to an end */
  readonly accepted = new Set<string>();
  readonly #product: Product;
  #token = '';

  constructor(product: Product) {
    this.#product = product;
  }

  /** For what the scenery needs: again and again until it works. */
  async insist<T>(work: () => Promise<T>): Promise<T> {
    for (let attempt = 0; ; attempt++) {
      try {
        return await work();
      } catch (error) {
        if (attempt === 120) throw error;
        await new Promise((resolve) => setTimeout(resolve, 500));
      }
    }
  }

  async call(query: string, input: object): Promise<Record<string, unknown>> {
    if (!this.#token) {
      const query = 'mutation ($input: SignInInput!) { payload: signIn(input: $input) { ... on SignInSuccess { accessToken } } }';
      const { payload } = await this.#post(query, this.#product.owner);
      this.#token = (payload as { accessToken: string }).accessToken;
    }
    try {
      const { payload } = await this.#post(query, input);
      return payload as Record<string, unknown>;
    } catch (error) {
      if (/UNAUTHENTICATED/.test(String(error))) this.#token = '';
      throw error;
    }
  }

  async #post(query: string, input: object): Promise<Record<string, unknown>> {
    const response = await fetch(`${this.#product.consoleUrl}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...(this.#token ? { authorization: `Bearer ${this.#token}` } : {}) },
      body: JSON.stringify({ query, variables: { input } }),
      signal: AbortSignal.timeout(15_000),
    });
    const body = (await response.json()) as { data?: Record<string, unknown>; errors?: unknown };
    if (!body.data || body.errors) throw new Error(JSON.stringify(body.errors ?? body));
    return body.data;
  }

  async uploadIris(): Promise<string> {
    const begun = (await this.call('mutation ($input: BeginUploadInput!) { payload: beginUpload(input: $input) { ... on BeginUploadSuccess { url upload { id } } } }', {
      filename: 'iris.csv',
    })) as unknown as { url: string; upload: { id: string } };
    const body = new Uint8Array(await fs.readFile(sampleData('iris')));
    await fetch(new URL(begun.url, this.#product.consoleUrl), { method: 'PUT', headers: { authorization: `Bearer ${this.#token}` }, body });
    const created = (await this.call('mutation ($input: CreateDatasetInput!) { payload: createDataset(input: $input) { ... on CreateDatasetSuccess { version { id } } } }', {
      name: 'iris',
      uploadId: begun.upload.id,
    })) as unknown as { version: { id: string } };
    return created.version.id;
  }

  async submit(datasetVersionId: string, modelName: string, epochs: number): Promise<void> {
    const spec = { ...irisSpec, models: [{ family: 'dense', hiddenLayers: [8] }], trainer: { epochs, earlyStop: null } };
    const payload = (await this.call('mutation ($input: SubmitRunInput!) { payload: submitRun(input: $input) { ... on SubmitRunSuccess { run { id } } } }', {
      datasetVersionId, modelName, spec,
    })) as unknown as { run?: { id: string } };
    if (payload.run) this.accepted.add(payload.run.id); // otherwise refused, by the quota
  }

  async anyVersion(modelName: string): Promise<string> {
    const model = (await this.call(`query { payload: model(name: "${modelName}") { latestVersion { id status } } }`, {})) as unknown as {
      latestVersion: { id: string; status: string } | null;
    } | null;
    if (model?.latestVersion?.status !== 'READY') throw new Error(`no version of ${modelName} yet`);
    return model.latestVersion.id;
  }

  async publish(versionId: string, endpointName: string): Promise<void> {
    const payload = await this.call('mutation ($input: PublishModelVersionInput!) { payload: publishModelVersion(input: $input) { __typename } }', { versionId, endpointName });
    if (payload['__typename'] !== 'PublishModelVersionSuccess') throw new Error(JSON.stringify(payload));
  }

  async createKey(): Promise<string> {
    const payload = (await this.call('mutation ($input: CreateApiKeyInput!) { payload: createApiKey(input: $input) { ... on CreateApiKeySuccess { key } } }', {
      alias: 'chaos', scopes: ['PREDICT'],
    })) as unknown as { key: string };
    return payload.key;
  }
}

import { silentLogger } from '@millrace/kernel';
import { type ServedEndpoint, type ServedVersion, servingDefaults } from '@millrace/registry';
import { EndpointDirectory } from './endpoint-directory.ts';
import type { HeldModel, ModelCache } from './model-cache.ts';

const version = (number: number): ServedVersion => ({ id: `ver_${number}`, tenantId: 'ten_1', number }) as ServedVersion;
const endpoint = { id: 'end_1', name: 'press', serving: servingDefaults };
const divided: ServedEndpoint = { endpoint, isStable: true, version: version(1), shares: [{ version: version(2), percent: 50, mirrorPercent: 0 }] };
const loaded = { release: () => undefined } as HeldModel;

/** A directory of one endpoint, and how it is told that this has changed. */
async function createDirectory(resolve: () => ServedEndpoint, hold: (number: number) => HeldModel | Promise<HeldModel>) {
  let changed = (_tenantId: string): void => undefined;
  const directory = new EndpointDirectory({
    registry: { resolveEndpoint: async () => resolve(), listEndpointNames: async () => [], listVersionNumbers: async () => [], versionNumberOfAlias: async () => null },
    database: { listen: async (_channel, handler) => ((changed = handler), () => undefined) },
    models: { hold: ({ number }: ServedVersion) => hold(number), keep: () => undefined } as unknown as ModelCache,
    traffic: { record: () => undefined },
    logger: silentLogger,
    patienceMs: 0,
  });
  await directory.start();
  const find = () => directory.find('ten_1', 'press');
  return {
    find,
    change: () => changed('ten_1'),
    /** Looks until it is so. */
    async until(isSo: (served: ServedEndpoint) => boolean): Promise<ServedEndpoint> {
      for (;;) {
        const found = (await find())!;
        if (isSo(found)) return found;
        await new Promise(setImmediate);
      }
    },
  };
}

it('whoever asks first does not wait for a version that has a share, which gets it once it is loaded', async () => {
  let load = (): void => undefined;
  const loading = new Promise<HeldModel>((resolve) => (load = () => resolve(loaded)));
  const { find, until } = await createDirectory(() => divided, () => loading);
  expect(await find()).toMatchObject({ version: { number: 1 }, shares: [] });
  load();
  await until(({ shares }) => shares.length === 1);
});

it('where the version that takes over cannot be loaded, the one before serves on, but by the shares and settings of now', async () => {
  let now = divided;
  const { find, change, until } = await createDirectory(() => now, (number) => (number === 3 ? Promise.reject(new Error('damaged')) : loaded));
  await until(({ shares }) => shares.length === 1);
  now = { ...divided, version: version(3), shares: [], endpoint: { ...endpoint, serving: { ...servingDefaults, deadlineMs: 500 } } };
  change();
  await until(({ shares }) => shares.length === 0);
  expect(await find()).toMatchObject({ version: { number: 1 }, endpoint: { serving: { deadlineMs: 500 } } });
});

import type { ModelThread, Prediction } from '@millrace/packaging';
import { buildPackage, checkVectors } from '@millrace/packaging';
import { servingDefaults } from '@millrace/registry';
import { constant } from '../test/sample-pipelines.ts';
import { createLanes } from './lanes.ts';
import type { HeldModel } from './model-cache.ts';

const { signature } = buildPackage(constant(0), { metrics: {}, lineage: {} });
const thread: ModelThread = { isLost: false, graphs: 1, open: () => Promise.reject(new Error('not here')), close: () => Promise.resolve() };

/** A model whose calls are answered when it is told to. */
function createModel(own: ModelThread | null) {
  const calls: (() => void)[] = [];
  const predict = (): Promise<Prediction[]> => new Promise((resolve) => calls.push(() => resolve([{ value: 0 }])));
  const held: HeldModel = { isJoinable: true, thread: own, release: () => undefined, model: { isLost: false, signature, digest: '', memoryBytes: 0, openedInMs: 0, predict, close: () => Promise.resolve() } };
  return { held, calls };
}

const settle = () => new Promise((resolve) => setImmediate(() => setImmediate(resolve)));

it('has shadows of a model in a thread wait until no prediction wants it, and not for what goes on elsewhere', async () => {
  const checked = checkVectors(signature, [[1]]);
  if (checked.type === 'invalid') throw new Error('the row does not fit');
  const lanes = createLanes();
  const ask = (held: HeldModel) => lanes.predict({ tenantId: 'a', held, rows: checked.rows, serving: servingDefaults, startedAt: performance.now(), isGone: () => false });
  const [here, away] = [createModel(null), createModel(thread)];
  const shown: string[] = [];
  const show = (name: string, held?: HeldModel) => lanes.beside({ kind: 'shadow', tenantId: 'a', deadline: Infinity, ...(held && { held }), work: () => void shown.push(name) });
  const answer = ask(away.held);
  const ofThread = show('of the thread', away.held);
  await show('of the server');
  await settle();
  expect(shown).toEqual(['of the server']);
  away.calls[0]!();
  await Promise.all([answer, ofThread]);
  const other = ask(here.held);
  await show('of the thread again', away.held);
  expect(shown).toEqual(['of the server', 'of the thread', 'of the thread again']);
  here.calls[0]!();
  await other;
});

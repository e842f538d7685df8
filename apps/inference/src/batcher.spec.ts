import { buildPackage, checkVectors, type Prediction, type ValidatedRows } from '@millrace/packaging';
import { type EndpointServing, servingDefaults } from '@millrace/registry';
import { constant } from '../test/sample-pipelines.ts';
import type { ShedReason } from './admission.ts';
import { type BatcherOptions, createBatcher } from './batcher.ts';
import type { HeldModel } from './model-cache.ts';
import type { BatchAnswer } from './prediction-turns.ts';

const { signature } = buildPackage(constant(0), { metrics: {}, lineage: {} });

interface Call {
  model: string;
  /** what stands in the only column */
  rows: number[];
  answer(): Promise<void>;
  fail(error: Error): Promise<void>;
}

/** A clock that stands still but when it is moved, after what is to be done at once; and models that answer when they are told to: each row by its double. */
function createWorld(options: Omit<BatcherOptions, 'time' | 'observe'> = {}) {
  let now = 0;
  let timer: { at: number; run: () => void } | null = null;
  const calls: Call[] = [];
  const shed: ShedReason[] = [];
  const batcher = createBatcher({
    ...options,
    observe: { call: () => undefined, shed: (reason) => shed.push(reason) },
    time: {
      now: () => now,
      after(ms, run) {
        timer = { at: now + ms, run };
        return () => (timer = null);
      },
      soon: setImmediate,
    },
  });
  const settle = () => new Promise((resolve) => setImmediate(resolve));

  function model(name: string, { isJoinable = true, rowsPerCall = 4096 } = {}): HeldModel {
    const predict = (rows: ValidatedRows, from = 0, to = rows.count): Promise<Prediction[]> =>
      new Promise((resolve, reject) => {
        const values = [...rows.numbers.subarray(from, to)];
        calls.push({
          model: name,
          rows: values,
          answer: () => (resolve(values.map((value) => ({ value: 2 * value }))), settle().then(() => undefined)),
          fail: (error) => (reject(error), settle().then(() => undefined)),
        });
      });
    return { isJoinable, thread: null, release: () => undefined, model: { isLost: false, signature: { ...signature, graph: { ...signature.graph, rowsPerCall } }, digest: name, memoryBytes: 0, openedInMs: 0, predict, close: () => Promise.resolve() } };
  }

  return {
    batcher,
    calls,
    shed,
    model,
    settle,
    /** Something else holds the thread for so long. */
    hold: (ms: number): void => void (now += ms),
    sleep: async (ms: number) => {
      await settle();
      now += ms;
      if (timer && timer.at <= now) timer.run();
      await settle();
    },
    ask(held: HeldModel, rows: number[], { tenant = 'a', isGone = () => false, ...serving }: Partial<EndpointServing> & { tenant?: string; isGone?: () => boolean } = {}) {
      const checked = checkVectors(signature, rows.map((value) => [value]));
      if (checked.type === 'invalid') throw new Error('rows do not fit');
      const answer = batcher.predict({ tenantId: tenant, held, rows: checked.rows, serving: { ...servingDefaults, ...serving }, startedAt: now, isGone });
      return answer.then(valuesOf, (error: { code?: string }) => error.code ?? String(error));
    },
  };
}

const valuesOf = ({ predictions }: BatchAnswer): number[] => predictions.map((prediction) => ('value' in prediction ? prediction.value : NaN));

describe('the batcher', () => {
  it('runs a lone request at once, and what comes in meanwhile together', async () => {
    const { ask, model, calls } = createWorld();
    const press = model('press');
    const answers = [ask(press, [1])];
    expect(calls.map(({ rows }) => rows)).toEqual([[1]]);
    answers.push(ask(press, [2, 3]), ask(press, [4]));
    expect(calls).toHaveLength(1);
    await calls[0]!.answer();
    expect(calls[1]!.rows).toEqual([2, 3, 4]);
    await calls[1]!.answer();
    expect(await Promise.all(answers)).toEqual([[2], [4, 6], [8]]);
  });

  it('runs the rest of a divided request by itself: its rows that were predicted already are not predicted again', async () => {
    const { ask, model, calls } = createWorld();
    const slow = model('slow', { rowsPerCall: 2 });
    const answers = [ask(slow, [1, 2, 3, 4, 5]), ask(slow, [9])];
    await calls[0]!.answer();
    await calls[1]!.answer();
    answers.push(ask(slow, [8]));
    for (let at = 2; at < 5; at++) await calls[at]!.answer();
    expect(calls.map(({ rows }) => rows)).toEqual([[1, 2], [9], [3, 4], [8], [5]]);
    expect(await Promise.all(answers)).toEqual([[2, 4, 6, 8, 10], [18], [16]]);
  });

  it('gathers rows up to the most that every request of a batch allows', async () => {
    const { ask, model, calls } = createWorld();
    const press = model('press');
    void ask(press, [0]);
    for (const value of [1, 2, 3, 4, 5]) void ask(press, [value, value], { maxBatchRows: 5 });
    void ask(press, [6], { maxBatchRows: 2 });
    await calls[0]!.answer();
    await calls[1]!.answer();
    await calls[2]!.answer();
    expect(calls.map(({ rows }) => rows)).toEqual([[0], [1, 1, 2, 2], [3, 3, 4, 4], [5, 5]]);
  });

  it('runs requests alone whose rows may change each other’s answers', async () => {
    const { ask, model, calls } = createWorld();
    const forecast = model('forecast', { isJoinable: false });
    for (const value of [1, 2, 3]) void ask(forecast, [value]);
    await calls[0]!.answer();
    await calls[1]!.answer();
    expect(calls.map(({ rows }) => rows)).toEqual([[1], [2], [3]]);
  });

  it('waits for others only as long as it is told, or until there are enough', async () => {
    const { ask, model, calls, sleep } = createWorld();
    const press = model('press');
    const patient = { maxQueueDelayMs: 20, maxBatchRows: 3 };
    void ask(press, [1], patient);
    await sleep(19);
    void ask(press, [2], patient);
    expect(calls).toHaveLength(0);
    await sleep(1);
    expect(calls.map(({ rows }) => rows)).toEqual([[1, 2]]);
    await calls[0]!.answer();
    for (const value of [3, 4, 5]) void ask(press, [value], patient);
    expect(calls[1]!.rows).toEqual([3, 4, 5]);
  });

  it('finds the one at fault in a batch that fails, and answers the others', async () => {
    const { ask, model, calls } = createWorld();
    const press = model('press');
    const answers = [1, 2, 3, 4].map((value) => ask(press, [value]));
    await calls[0]!.answer();
    await calls[1]!.fail(new Error('no finite prediction'));
    await calls[2]!.answer();
    await calls[3]!.fail(new Error('no finite prediction'));
    await calls[4]!.answer();
    expect(calls.slice(1).map(({ rows }) => rows)).toEqual([[2, 3, 4], [2], [3], [4]]);
    expect(await Promise.all(answers)).toEqual([[2], [4], 'Error: no finite prediction', [8]]);
  });

  it('divides a large request into calls, between which others come in', async () => {
    const { ask, model, calls, sleep } = createWorld();
    const [slow, quick] = [model('slow', { rowsPerCall: 2 }), model('quick')];
    const large = ask(slow, [1, 2, 3, 4, 5]);
    const small = ask(quick, [9], { tenant: 'b' });
    for (let at = 0; at < 4; at++) {
      await sleep(1);
      await calls[at]!.answer();
    }
    expect(calls.map(({ rows }) => rows)).toEqual([[1, 2], [9], [3, 4], [5]]);
    expect([await large, await small]).toEqual([[2, 4, 6, 8, 10], [18]]);
  });

  it('makes calls smaller where rows take long', async () => {
    const { ask, model, calls, sleep } = createWorld({ turnMs: 20 });
    const slow = model('slow');
    void ask(slow, [0]);
    await sleep(10); // ten milliseconds a row
    await calls[0]!.answer();
    void ask(slow, [1, 2, 3]);
    expect(calls[1]!.rows).toEqual([1, 2]);
  });

  it('does not take a slow moment of the machine for a slow model: batches stay large', async () => {
    const { ask, model, calls, sleep } = createWorld({ turnMs: 20 });
    const press = model('press');
    void ask(press, [0]);
    await sleep(1);
    await calls[0]!.answer();
    void ask(press, [1]);
    for (const value of [2, 3, 4, 5]) void ask(press, [value]);
    await sleep(500);
    await calls[1]!.answer();
    expect(calls[2]!.rows).toEqual([2, 3, 4, 5]);
  });

  it('does not count what holds the thread before the engine begins', async () => {
    const { ask, model, calls, hold, sleep } = createWorld({ turnMs: 20 });
    const press = model('press');
    void ask(press, [0]);
    for (const value of [1, 2, 3, 4]) void ask(press, [value]);
    hold(500);
    await sleep(5);
    await calls[0]!.answer();
    expect(calls[1]!.rows).toEqual([1, 2, 3, 4]);
  });

  it('believes a model in a thread to need what it took, though this thread was held meanwhile', async () => {
    const { ask, model, calls, hold, settle } = createWorld({ turnMs: 20, isInThread: true });
    const press = model('press');
    void ask(press, [0]);
    for (const value of [1, 2, 3, 4]) void ask(press, [value]);
    hold(10); // it computes, and connections are seen to
    await settle();
    await calls[0]!.answer();
    expect(calls[1]!.rows).toEqual([1, 2]);
  });

  it('gives tenants turns by the time that they use: a flood does not keep another waiting', async () => {
    const { ask, model, calls, sleep } = createWorld();
    const [flooded, quiet] = [model('flooded'), model('quiet')];
    for (let value = 0; value < 100; value++) void ask(flooded, [value], { maxBatchRows: 1 });
    await sleep(5);
    void ask(quiet, [1], { tenant: 'b', maxBatchRows: 1 });
    void ask(quiet, [2], { tenant: 'b', maxBatchRows: 1 });
    for (let at = 0; at < 4; at++) {
      await calls[at]!.answer();
      await sleep(5);
    }
    expect(calls.map((call) => call.model)).toEqual(['flooded', 'quiet', 'flooded', 'quiet', 'flooded']);
  });

  it('gives the models of a tenant turns by the time that they use', async () => {
    const { ask, model, calls, sleep } = createWorld();
    const [slow, quick] = [model('slow'), model('quick')];
    for (let value = 0; value < 4; value++) void ask(slow, [value], { maxBatchRows: 1 });
    for (let value = 0; value < 4; value++) void ask(quick, [value], { maxBatchRows: 1 });
    for (let at = 0; at < 6; at++) {
      await sleep(calls[at]!.model === 'slow' ? 20 : 10);
      await calls[at]!.answer();
    }
    expect(calls.map((call) => call.model)).toEqual(['slow', 'quick', 'quick', 'slow', 'quick', 'quick', 'slow']);
  });

  it('refuses on arrival what it could not answer in time, by the time that rows take', async () => {
    const { ask, model, calls, sleep, shed } = createWorld();
    const press = model('press');
    const first = ask(press, [0]);
    await sleep(100);
    await calls[0]!.answer();
    const inTime = [1, 2, 3, 4, 5].map((value) => ask(press, [value], { deadlineMs: 500 }));
    const late = [6, 7].map((value) => ask(press, [value], { deadlineMs: 500 }));
    expect(await Promise.all(late)).toEqual(['overloaded', 'overloaded']);
    expect(shed).toEqual(['forecast', 'forecast']);
    for (let at = 1; at < calls.length; at++) await calls[at]!.answer();
    expect(await Promise.all([first, ...inTime])).toEqual([[0], [2], [4], [6], [8], [10]]);
  });

  it('lets a burst wait for as long as the deadline allows, but no queue stay so long', async () => {
    const { ask, model, batcher, calls, sleep, shed } = createWorld();
    const [press, mill] = [model('press'), model('mill')];
    const serving = { deadlineMs: 1_000 };
    const isFull = (held: HeldModel): boolean => batcher.isFull({ tenantId: 'a', held, serving: { ...servingDefaults, ...serving } });
    const answers = [ask(press, [0], serving)];
    await sleep(10);
    await calls[0]!.answer(); // 10 ms a row, and two rows a call
    for (let value = 1; value <= 40; value++) answers.push(ask(press, [value], serving));
    expect(shed).toEqual([]);
    for (let at = 1; at <= 5; at++) {
      await sleep(20);
      await calls[at]!.answer();
    }
    expect(isFull(press)).toBe(false); // it has been waiting for 100 ms, not yet for longer
    await sleep(1);
    expect(isFull(press)).toBe(true);
    expect(await ask(press, [41], serving)).toBe('overloaded');
    expect(isFull(mill)).toBe(false);
    expect(shed).toEqual(['standing', 'standing']);
    for (let at = 6; at <= 15; at++) {
      await sleep(20);
      await calls[at]!.answer();
    }
    expect(isFull(press)).toBe(false); // by now a tenth of the deadline is enough for what waits
    answers.push(ask(press, [42], serving));
    for (let at = 16; at < calls.length; at++) await calls[at]!.answer();
    expect(await Promise.all(answers)).not.toContain('overloaded');
  });

  it('tries what is idle, however slow it was', async () => {
    const { ask, model, calls, sleep } = createWorld();
    const press = model('press');
    void ask(press, [0]);
    await sleep(60_000);
    await calls[0]!.answer();
    const next = ask(press, [1]);
    await calls[1]!.answer();
    expect(await next).toEqual([2]);
  });

  it('runs nothing for those whose deadline has passed or who have hung up', async () => {
    const { ask, model, calls, sleep, shed } = createWorld();
    const press = model('press');
    let isGone = false;
    void ask(press, [0]);
    const late = ask(press, [1], { deadlineMs: 50 });
    const gone = ask(press, [2], { isGone: () => isGone });
    const patient = ask(press, [3]);
    isGone = true;
    await sleep(51);
    await calls[0]!.answer();
    expect(await Promise.all([late, gone])).toEqual(['deadline_exceeded', 'caller_gone']);
    expect(calls[1]!.rows).toEqual([3]);
    await calls[1]!.answer();
    expect(await patient).toEqual([6]);
    expect(shed).toEqual(['deadline']);
  });

  it('has bounded queues; when the server’s is full, whoever waits with the most gives way', async () => {
    const { ask, model, batcher, calls } = createWorld({ maxWaitingPerModel: 3, maxWaiting: 4 });
    const [press, mill, saw] = [model('press'), model('mill'), model('saw')];
    void ask(press, [0]);
    const waiting = [1, 2, 3].map((value) => ask(press, [value]));
    expect(await ask(press, [4])).toBe('overloaded'); // its model's queue is full
    const further = ask(mill, [5]);
    expect(await ask(mill, [6])).toBe('overloaded'); // the server's is, and nobody has more
    const newcomer = { tenantId: 'b', held: saw, serving: servingDefaults, startedAt: 0 };
    expect([batcher.refusal(newcomer), batcher.waiting]).toEqual([null, 4]); // whose rows may still be unfit: nobody gives way yet
    const other = ask(saw, [7], { tenant: 'b' });
    expect(await waiting[2]).toBe('overloaded');
    expect(batcher.waiting).toBe(4);
    for (let at = 0; at < 4; at++) await calls[at]!.answer();
    expect(await Promise.all([waiting[0], waiting[1], further, other])).toEqual([[2], [4], [10], [14]]);
    expect(batcher.waiting).toBe(0);
  });

  it('does other work when no prediction wants the thread, and begins none while that is under way', async () => {
    const { ask, model, batcher, calls, settle, sleep } = createWorld();
    const press = model('press');
    const done: string[] = [];
    let end: () => void = () => undefined;
    const beside = (kind: 'explanation' | 'shadow', name: string, work: () => void | Promise<void> = () => undefined) =>
      void batcher.beside({ kind, tenantId: 'b', deadline: Infinity, work: () => (done.push(name), work()) });
    const first = ask(press, [1]);
    beside('shadow', 'shadow');
    beside('explanation', 'explanation', () => new Promise((resolve) => (end = resolve)));
    await settle();
    expect(done).toEqual([]);
    await calls[0]!.answer();
    expect(await first).toEqual([2]);
    await settle();
    expect(done).toEqual(['explanation']);
    const [second, third] = [ask(press, [2]), ask(press, [3])];
    await settle();
    expect(calls).toHaveLength(1);
    end();
    await sleep(0);
    expect(calls[1]!.rows).toEqual([2, 3]); // before the shadow
    expect(done).toHaveLength(1);
    await calls[1]!.answer();
    expect(await Promise.all([second, third])).toEqual([[4], [6]]);
    await settle();
    expect(done).toEqual(['explanation', 'shadow']);
  });

  it('lets explanations have a tenth of the time where predictions never end, and shadows none', async () => {
    const { ask, model, batcher, calls, sleep } = createWorld();
    const press = model('press');
    const done: string[] = [];
    const explain = (): void => void batcher.beside({ kind: 'explanation', tenantId: 'b', deadline: Infinity, work: () => sleep(4).then(() => void done.push('explanation')) });
    void batcher.beside({ kind: 'shadow', tenantId: 'b', deadline: Infinity, work: () => void done.push('shadow') });
    void ask(press, [0], { maxBatchRows: 1 });
    explain();
    for (let at = 0; at < 40; at++) {
      void ask(press, [at], { maxBatchRows: 1 });
      await sleep(2);
      const before = done.length;
      await calls[at]!.answer();
      await sleep(0);
      if (done.length > before) explain();
    }
    expect(done).toEqual(['explanation', 'explanation', 'explanation']); // 80 ms of predictions: the first at once, then one each 36 ms
  });
});

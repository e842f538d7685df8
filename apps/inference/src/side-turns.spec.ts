import { createSideTurns, NoTurn, type SideKind } from './side-turns.ts';

/** Turns that are taken by hand; what was done stands in `done`, in order. */
function createWorld(options: Parameters<typeof createSideTurns>[0] = {}) {
  const turns = createSideTurns(options);
  const done: string[] = [];
  const dropped: string[] = [];
  return {
    turns,
    done,
    dropped,
    ask(kind: SideKind, tenantId: string, name = tenantId, deadline = Infinity): void {
      turns.wait({ kind, tenantId, deadline, work: () => done.push(name) }).catch((error: unknown) => dropped.push(error instanceof NoTurn ? name : String(error)));
    },
    async take(ms: number, now = 0): Promise<void> {
      const turn = turns.take(now);
      await turn?.run();
      turn?.charge(ms);
    },
  };
}

describe('what is done beside predictions', () => {
  it('has explanations before shadows, and tenants by the time that they have used', async () => {
    const { ask, take, done, turns } = createWorld();
    ask('shadow', 'a', 'shadow');
    for (const name of ['a1', 'a2', 'a3']) ask('explanation', 'a', name);
    for (const name of ['b1', 'b2', 'b3']) ask('explanation', 'b', name);
    for (const ms of [30, 10, 10, 10, 30, 30, 1]) await take(ms);
    expect(done).toEqual(['a1', 'b1', 'b2', 'b3', 'a2', 'a3', 'shadow']);
    expect(turns.waiting).toBe(0);
  });

  it('remembers what a tenant has used while it has nothing waiting, and gives a newcomer nothing for the past', async () => {
    const { ask, take, done } = createWorld();
    ask('explanation', 'a', 'a1');
    await take(100);
    ask('explanation', 'b', 'b1');
    ask('explanation', 'a', 'a2');
    await take(10);
    ask('explanation', 'b', 'b2');
    ask('explanation', 'c', 'c1');
    for (let turn = 0; turn < 3; turn++) await take(10);
    expect(done).toEqual(['a1', 'b1', 'c1', 'b2', 'a2']);
  });

  it('is due after nine times as long as its last turn took, if it is an explanation', async () => {
    const { ask, take, turns } = createWorld();
    turns.predicted(1_000);
    ask('shadow', 'a');
    turns.predicted(1_000);
    expect(turns.isDue).toBe(false); // shadows never are
    ask('explanation', 'a');
    turns.predicted(1);
    expect(turns.isDue).toBe(true); // the first
    await take(5);
    ask('explanation', 'a');
    turns.predicted(44);
    expect(turns.isDue).toBe(false);
    turns.predicted(1);
    expect(turns.isDue).toBe(true);
  });

  it('drops what would come too late, without doing it', async () => {
    const { ask, take, done, dropped } = createWorld();
    ask('explanation', 'a', 'late', 5);
    ask('shadow', 'a', 'late too', 5);
    ask('shadow', 'a', 'in time', 6);
    await take(1, 6);
    expect([done, dropped]).toEqual([['in time'], ['late', 'late too']]);
  });

  it('lets so many shadows wait, and the tenant with the most give way', async () => {
    const { ask, dropped, turns } = createWorld({ mostShadows: 4, mostShadowsOfTenant: 3 });
    for (const name of ['a1', 'a2', 'a3', 'a4']) ask('shadow', 'a', name);
    for (const name of ['b1', 'b2', 'b3']) ask('shadow', 'b', name);
    await Promise.resolve();
    expect(dropped).toEqual(['a4', 'a3', 'b3']);
    expect(turns.waiting).toBe(4);
  });

  it('hands on what the work throws', async () => {
    const turns = createSideTurns();
    const failing = turns.wait({ kind: 'shadow', tenantId: 'a', deadline: 1, work: () => { throw new Error('broken'); } });
    await turns.take(0)!.run();
    await expect(failing).rejects.toThrow('broken');
  });
});

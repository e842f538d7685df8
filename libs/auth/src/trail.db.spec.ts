import { newId, type Logger, silentLogger } from '@millrace/kernel';
import { createTestDatabase, type TestDatabase } from '@millrace/testkit';
import { secrets } from '../test/auth-world.ts';
import { type Actor, type Auth, type ChainHead, createAuth, type KeyActor, recordAudit, verifyChain } from './index.ts';

let test: TestDatabase;
let auth: Auth;
let time = new Date('2026-11-23T12:00:00Z');
const logged: { fields: Record<string, unknown>; message: string }[] = [];
const logger: Logger = { ...silentLogger, info: (fields, message) => void logged.push({ fields, message }), error: (fields, message) => void logged.push({ fields, message }) };

beforeAll(async () => {
  test = await createTestDatabase();
  auth = createAuth({ database: test.database, ...secrets, logger, clock: { now: () => time }, refusalsPerMinute: 3 });
});
afterAll(() => test.close());

async function newTenant(): Promise<string> {
  const id = newId('tenant');
  await test.database.system().transaction((tx) => tx.tenant.create({ data: { id, slug: id, name: 'Acme' } }));
  return id;
}

const keyOf = (tenantId: string): KeyActor => ({ type: 'key', tenantId, keyId: newId('apiKey'), scopes: ['ADMIN'], models: [] });

async function newTrail(events: number): Promise<string> {
  const tenantId = await newTenant();
  for (let i = 0; i < events; i++) await addEvent(tenantId, `thing.do_${i}`);
  return tenantId;
}

const addEvent = (tenantId: string, action: string) =>
  test.database.forTenant(tenantId).transaction((tx) =>
    recordAudit(tx, { type: 'system', tenantId, requestId: 'req_1', address: '192.0.2.1', userAgent: 'spec' }, { action, subject: 'a', details: { n: 1, text: 'é "quoted"' } }),
  );

const verify = (tenantId: string, expect?: ChainHead) => verifyChain(test.database.forTenant(tenantId), expect ? { expect } : {});
const rowsOf = (tenantId: string) =>
  test.asOwner<{ action: string; actor: string; result: string; requestId: string | null; address: string | null; details: unknown }>(
    `SELECT e.action, e.actor, e.result, e.request_id AS "requestId", e.address, e.details FROM audit_events e
     JOIN audit_links l ON l.event_id = e.id WHERE e.tenant_id = $1 ORDER BY l.number`,
    [tenantId],
  );

describe('the chain', () => {
  it('has no gaps and verifies when many write at once into one trail and into many', async () => {
    const [busy, ...others] = await Promise.all(Array.from({ length: 6 }, newTenant));
    await Promise.all([
      ...Array.from({ length: 50 }, (_, i) => addEvent(busy!, `busy.do_${i}`)),
      ...others.flatMap((tenantId) => Array.from({ length: 10 }, (_, i) => addEvent(tenantId, `other.do_${i}`))),
    ]);
    const numbers = await test.asOwner<{ number: number }>('SELECT number FROM audit_links WHERE tenant_id = $1 ORDER BY number', [busy]);
    expect(numbers.map(({ number }) => number)).toEqual(Array.from({ length: 50 }, (_, i) => i + 1));
    expect(await verify(busy!)).toMatchObject({ length: 50, firstBroken: null });
    for (const tenantId of others) expect(await verify(tenantId)).toMatchObject({ length: 10, firstBroken: null });
  });

  it('has no gap for a transaction that was rolled back', async () => {
    const tenantId = await newTrail(2);
    const undone = test.database.forTenant(tenantId).transaction(async (tx) => {
      await recordAudit(tx, { type: 'system', tenantId }, { action: 'thing.undo' });
      throw new Error('undone');
    });
    await expect(undone).rejects.toThrow('undone');
    await addEvent(tenantId, 'thing.after');
    expect(await verify(tenantId)).toMatchObject({ length: 3, head: { number: 3 }, firstBroken: null });
  });

  it('is empty for a tenant without events, and reads on over many pages', async () => {
    expect(await verify(await newTenant())).toEqual({ length: 0, head: null, firstBroken: null });
    const tenantId = await newTenant();
    await test.database.forTenant(tenantId).transaction(
      (tx) => tx.$executeRaw`
        INSERT INTO audit_events (id, tenant_id, actor, action, result)
        SELECT 'aud_' || lpad(n::text, 26, '0'), ${tenantId}, 'system', 'thing.do', 'ok' FROM generate_series(1, 12000) n`,
    );
    const seen: number[] = [];
    const state = await verifyChain(test.database.forTenant(tenantId), { onProgress: (done) => void seen.push(done) });
    expect([state.length, state.firstBroken, seen]).toEqual([12000, null, [5000, 10000, 12000]]);
  });

  const event = (number: number) => `id = (SELECT event_id FROM audit_links WHERE tenant_id = $1 AND number = ${number})`;
  const changes: [what: string, column: string, value: string][] = [
    ['when', 'at', `at + interval '1 millisecond'`],
    ['who', 'actor', `'person:per_x'`],
    ['what', 'action', `'thing.else'`],
    ['to what', 'subject', `'b'`],
    ['to nothing', 'subject', 'NULL'],
    ['the result', 'result', `'forbidden'`],
    ['the request', 'request_id', 'NULL'],
    ['the address', 'address', `'192.0.2.2'`],
    ['the program', 'user_agent', `'another'`],
    ['the details', 'details', `'{"n": 2, "text": "é \\"quoted\\""}'::jsonb`],
  ];
  it.each(changes)('tells where an event was changed: %s', async (_what, column, value) => {
    const tenantId = await newTrail(6);
    await test.asOwner(`UPDATE audit_events SET ${column} = ${value} WHERE tenant_id = $1 AND ${event(4)}`, [tenantId]);
    const [changed] = await test.asOwner<{ id: string; at: Date }>(`SELECT id, at FROM audit_events WHERE tenant_id = $1 AND ${event(4)}`, [tenantId]);
    expect((await verify(tenantId)).firstBroken).toEqual({ number: 4, eventId: changed!.id, at: changed!.at, reason: 'changed' });
  });

  it('covers every column of an event', async () => {
    const columns = await test.asOwner<{ name: string }>(
      `SELECT column_name AS name FROM information_schema.columns WHERE table_schema = 'public' AND table_name = 'audit_events'`,
    );
    const covered = new Set([...changes.map(([, column]) => column), 'id', 'tenant_id']); // keys, which links hold as well
    expect(columns.map(({ name }) => name).sort()).toEqual([...covered].sort());
  });

  /** What somebody may do who owns the database. */
  const tamperings: [what: string, sql: string[], broken: object][] = [
    ['an event was removed', [`DELETE FROM audit_events WHERE tenant_id = $1 AND ${event(3)}`], { number: 3, reason: 'missing' }],
    ['the first was removed', [`DELETE FROM audit_events WHERE tenant_id = $1 AND ${event(1)}`], { number: 1, reason: 'missing' }],
    [
      'one was removed and the rest moved up',
      [`DELETE FROM audit_events WHERE tenant_id = $1 AND ${event(3)}`, 'UPDATE audit_links SET number = number - 1 WHERE tenant_id = $1 AND number > 3'],
      { number: 3, reason: 'changed' },
    ],
    [
      'one was put in between',
      [
        'UPDATE audit_links SET number = number + 100 WHERE tenant_id = $1 AND number > 3',
        'UPDATE audit_links SET number = number - 99 WHERE tenant_id = $1 AND number > 100',
        `ALTER TABLE audit_events DISABLE TRIGGER link_audit_event`,
        `INSERT INTO audit_events (id, tenant_id, actor, action, result) VALUES ('aud_' || substr($1, 5), $1, 'system', 'thing.forged', 'ok')`,
        `ALTER TABLE audit_events ENABLE TRIGGER link_audit_event`,
        `INSERT INTO audit_links (tenant_id, number, event_id, hash) SELECT $1, 4, e.id, audit_hash((SELECT hash FROM audit_links WHERE tenant_id = $1 AND number = 3), e)
          FROM audit_events e WHERE e.tenant_id = $1 AND action = 'thing.forged'`,
      ],
      { number: 5, reason: 'changed' },
    ],
    [
      'one came in past the chain',
      [
        `ALTER TABLE audit_events DISABLE TRIGGER link_audit_event`,
        `INSERT INTO audit_events (id, tenant_id, actor, action, result) VALUES ('aud_' || substr($1, 5), $1, 'system', 'thing.forged', 'ok')`,
        `ALTER TABLE audit_events ENABLE TRIGGER link_audit_event`,
      ],
      { number: null, reason: 'unlinked' },
    ],
    [
      'two were swapped',
      [
        'UPDATE audit_links SET number = 1000 WHERE tenant_id = $1 AND number = 2',
        'UPDATE audit_links SET number = 2 WHERE tenant_id = $1 AND number = 5',
        'UPDATE audit_links SET number = 5 WHERE tenant_id = $1 AND number = 1000',
      ],
      { number: 2, reason: 'changed' },
    ],
    [`a link's hash was changed`, [`UPDATE audit_links SET hash = repeat('a', 64) WHERE tenant_id = $1 AND number = 4`], { number: 4, reason: 'changed' }],
    [
      'an event and its own hash were changed together',
      [
        `UPDATE audit_events SET action = 'thing.forged' WHERE tenant_id = $1 AND ${event(4)}`,
        `UPDATE audit_links l SET hash = audit_hash((SELECT hash FROM audit_links WHERE tenant_id = $1 AND number = 3), e)
          FROM audit_events e WHERE e.id = l.event_id AND l.tenant_id = $1 AND l.number = 4`,
      ],
      { number: 5, reason: 'changed' },
    ],
  ];
  it.each(tamperings)('tells where: %s', async (_what, statements, broken) => {
    const tenantId = await newTrail(6);
    const bystander = await newTrail(2);
    for (const sql of statements) await test.asOwner(sql, sql.includes('$1') ? [tenantId] : []);
    expect((await verify(tenantId)).firstBroken).toMatchObject(broken);
    expect((await verify(bystander)).firstBroken).toBeNull();
  });

  it('that was cut off, or rewritten whole, is found by a head that was kept elsewhere', async () => {
    const tenantId = await newTrail(6);
    const { head } = await verify(tenantId);
    expect((await verify(tenantId, head!)).firstBroken).toBeNull();

    await test.asOwner(`DELETE FROM audit_events WHERE tenant_id = $1 AND ${event(6)}`, [tenantId]);
    expect((await verify(tenantId)).firstBroken).toBeNull(); // which is why a head is kept
    expect((await verify(tenantId, head!)).firstBroken).toMatchObject({ number: 6, reason: 'cut-off' });

    await addEvent(tenantId, 'thing.forged');
    expect((await verify(tenantId)).firstBroken).toBeNull();
    expect((await verify(tenantId, head!)).firstBroken).toMatchObject({ number: 6, eventId: expect.stringMatching(/^aud_/), reason: 'rewritten' });
  });

  it('is recomputed for those only who may read it', async () => {
    const tenantId = await newTrail(3);
    const actor = keyOf(tenantId);
    const [state, again] = await Promise.all([auth.trail.verify(actor), auth.trail.verify(actor)]);
    expect([state, again]).toEqual([{ length: 3, head: { number: 3, hash: expect.any(String) }, firstBroken: null }, state]);
    await expect(auth.trail.verify({ ...actor, scopes: ['TRAIN'] })).rejects.toMatchObject({ code: 'FORBIDDEN' });
  });
});

describe('an attempt', () => {
  const results = { ofValue: (value: string) => value, ofError: (error: unknown) => (error as { code?: string }).code ?? 'internal_error' };
  const origin = { requestId: 'req_attempt', address: '192.0.2.7', userAgent: 'spec/1' };
  const asked = (actor: Actor | null) => ({ actor, origin, action: 'thing.do', subject: 'thg_1' });
  const brief = async (tenantId: string) => (await rowsOf(tenantId)).map(({ action, result, requestId, details }) => [action, result, requestId, details]);
  const doIt = (actor: Actor, ending?: Error) =>
    test.database.forTenant(actor.tenantId).transaction(async (tx) => {
      // Verbs need not pass on where a request comes from.
      await recordAudit(tx, actor, { action: 'thing.do', subject: 'thg_1' });
      if (ending) throw ending;
      return 'ok';
    });

  it('leaves the line that its verb writes, and no other', async () => {
    const actor = keyOf(await newTenant());
    expect(await auth.trail.attempt(asked(actor), () => doIt(actor), results)).toBe('ok');
    expect(await rowsOf(actor.tenantId)).toEqual([
      { action: 'thing.do', actor: `key:${actor.keyId}`, result: 'ok', requestId: 'req_attempt', address: '192.0.2.7', details: null },
    ]);
  });

  it('leaves a line by itself where there was no effect: refused, failed, undone, or nothing to do', async () => {
    const actor = keyOf(await newTenant());
    await auth.trail.attempt(asked(actor), async () => 'name_taken', results);
    await expect(auth.trail.attempt(asked(actor), () => Promise.reject(new Error('a bug')), results)).rejects.toThrow('a bug');
    await expect(auth.trail.attempt(asked(actor), () => doIt(actor, Object.assign(new Error(), { code: 'conflict' })), results)).rejects.toThrow();
    const caught = () => doIt(actor, new Error()).catch(() => 'alias_in_use');
    expect(await auth.trail.attempt(asked(actor), caught, results)).toBe('alias_in_use');
    await auth.trail.attempt(asked(actor), async () => 'ok', results);
    expect(await brief(actor.tenantId)).toEqual([
      ['thing.do', 'name_taken', 'req_attempt', null],
      ['thing.do', 'internal_error', 'req_attempt', null],
      ['thing.do', 'conflict', 'req_attempt', null],
      ['thing.do', 'alias_in_use', 'req_attempt', null],
      ['thing.do', 'ok', 'req_attempt', { changed: false }],
    ]);
  });

  it('keeps the line of a verb that fails after its effect, and adds none', async () => {
    const actor = keyOf(await newTenant());
    const late = async () => {
      await doIt(actor);
      throw new Error('the answer could not be made');
    };
    await expect(auth.trail.attempt(asked(actor), late, results)).rejects.toThrow();
    expect(await brief(actor.tenantId)).toEqual([['thing.do', 'ok', 'req_attempt', null]]);
  });

  it('is not mixed up with others at the same time', async () => {
    const actor = keyOf(await newTenant());
    await Promise.all(
      Array.from({ length: 10 }, (_, i) => {
        const one = { ...asked(actor), origin: { ...origin, requestId: `req_${i}` } };
        return auth.trail.attempt(one, () => (i % 2 ? doIt(actor) : Promise.resolve(`code_${i}`)), results);
      }),
    );
    const rows = await brief(actor.tenantId);
    expect(rows.map(([, result, requestId]) => `${requestId} ${result}`).sort()).toEqual(Array.from({ length: 10 }, (_, i) => `req_${i} ${i % 2 ? 'ok' : `code_${i}`}`));
  });

  it('of nobody who is signed in leaves a line in the log', async () => {
    logged.length = 0;
    await auth.trail.attempt(asked(null), async () => 'sign_in_refused', results);
    expect(logged).toEqual([{ fields: { action: 'thing.do', result: 'sign_in_refused', requestId: 'req_attempt', address: '192.0.2.7' }, message: expect.any(String) }]);
  });
});

describe('a refusal', () => {
  const refusal = (actor: Actor | null, requestId: string, action = 'run.submit') => ({ actor, origin: { requestId, address: '192.0.2.7' }, action });

  it('is noted once, however often its error is met', async () => {
    const actor = keyOf(await newTenant());
    const error = new Error('no');
    for (let i = 0; i < 2; i++) await auth.trail.refuse(refusal(actor, 'req_1'), 'forbidden', error);
    expect(await rowsOf(actor.tenantId)).toHaveLength(1);
  });

  it('of many has a line at once for the first of each minute; the rest share one with their number', async () => {
    const actor = keyOf(await newTenant());
    const other = keyOf(actor.tenantId);
    time = new Date('2026-11-23T12:00:00Z');
    for (let i = 1; i <= 8; i++) await auth.trail.refuse(refusal(actor, `req_${i}`), 'forbidden');
    await auth.trail.refuse(refusal(other, 'req_other'), 'forbidden');
    await auth.trail.refuse(refusal(actor, 'req_alias', 'alias.set'), 'forbidden');
    const requests = async () => (await rowsOf(actor.tenantId)).map(({ requestId, details }) => [requestId, details]);
    const before = [['req_1', null], ['req_2', null], ['req_3', null], ['req_other', null], ['req_alias', null]];
    expect(await requests()).toEqual(before);

    time = new Date('2026-11-23T12:01:00Z');
    await auth.trail.refuse(refusal(actor, 'req_9'), 'forbidden');
    expect(await requests()).toEqual([...before, [null, { repeated: 5, since: '2026-11-23T12:00:00.000Z' }], ['req_9', null]]);
  });

  it('that is only counted is written down before the end', async () => {
    const own = createAuth({ database: test.database, ...secrets, logger: silentLogger, refusalsPerMinute: 1 });
    const actor = keyOf(await newTenant());
    for (let i = 1; i <= 4; i++) await own.trail.refuse(refusal(actor, `req_${i}`), 'forbidden');
    await own.trail.close();
    expect((await rowsOf(actor.tenantId)).map(({ result, details }) => [result, details])).toEqual([
      ['forbidden', null],
      ['forbidden', { repeated: 3, since: expect.any(String) }],
    ]);
  });

  it('of nobody who is signed in is logged, and a flood of them counted', async () => {
    logged.length = 0;
    time = new Date('2026-11-23T13:00:00Z');
    for (let i = 1; i <= 6; i++) await auth.trail.refuse(refusal(null, `req_${i}`), 'unauthenticated');
    time = new Date('2026-11-23T13:01:00Z');
    await auth.trail.refuse(refusal(null, 'req_7'), 'unauthenticated');
    expect(logged.map(({ fields }) => [fields['requestId'], fields['repeated']])).toEqual([
      ['req_1', undefined], ['req_2', undefined], ['req_3', undefined], ['req_6', 3], ['req_7', undefined],
    ]);
  });

  it('stays one when it cannot be written down; the log has it all', async () => {
    logged.length = 0;
    const nowhere = keyOf(newId('tenant')); // no such tenant: the database takes no line for it
    await auth.trail.refuse(refusal(nowhere, 'req_1'), 'forbidden');
    expect(logged).toMatchObject([{ fields: { tenantId: nowhere.tenantId, action: 'run.submit', result: 'forbidden', requestId: 'req_1' } }]);
  });
});

describe('an export', () => {
  async function collect(actor: Actor, range: { from?: Date; to?: Date } = {}) {
    const lines = [];
    for await (const page of await auth.trail.export(actor, range, 'jsonl')) lines.push(...page);
    return lines;
  }

  it('has every line with its link, oldest first, and stands in the trail itself', async () => {
    const actor = keyOf(await newTrail(3));
    const lines = await collect(actor);
    expect(lines.map(({ number, action }) => [number, action])).toEqual([[1, 'thing.do_0'], [2, 'thing.do_1'], [3, 'thing.do_2']]);
    expect((await rowsOf(actor.tenantId)).at(-1)).toMatchObject({ action: 'audit.export', actor: `key:${actor.keyId}`, details: { format: 'jsonl', from: null, to: null, lastNumber: 3 } });
    expect((await collect(actor)).map(({ action }) => action)).toContain('audit.export');
  });

  it('keeps to its time, and to its tenant', async () => {
    const tenantId = await newTrail(5);
    await newTrail(5);
    await test.asOwner(`UPDATE audit_events SET at = timestamptz '2026-01-01' + n.number * interval '1 day' FROM audit_links n WHERE n.event_id = id AND n.tenant_id = $1`, [tenantId]);
    const range = { from: new Date('2026-01-03T00:00:00Z'), to: new Date('2026-01-05T00:00:00Z') };
    expect((await collect(keyOf(tenantId), range)).map(({ number }) => number)).toEqual([2, 3]);
    expect(await collect(keyOf(await newTenant()))).toEqual([]);
  });

  it('is for those only who may read the trail', async () => {
    const actor: KeyActor = { ...keyOf(await newTrail(1)), scopes: ['READ'] };
    await expect(collect(actor)).rejects.toMatchObject({ code: 'FORBIDDEN' });
  });
});

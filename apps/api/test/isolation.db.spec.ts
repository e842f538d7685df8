import { idPrefixes } from '@millrace/kernel';
import { looksForRowsOfAnybody, shapeOf, tapSql } from '@millrace/testkit';
import { schema } from '../src/schema.ts';
import { variablesOf } from './isolation/argument-values.ts';
import { blindSpots, removeMarked } from './isolation/fill-tables.ts';
import { comparable, missingLike, needlesIn, nobodysMark, textsIn } from './isolation/leak-search.ts';
import { transports } from './isolation/live-streams.ts';
import { actorNames, type Asker, createMatrix, type Matrix } from './isolation/matrix.ts';
import { scenes } from './isolation/scenes.ts';
import { createOperations, fieldsOf, namesSomething } from './isolation/schema-operations.ts';
import { createTwoTenants, type TwoTenants } from './isolation/two-tenants.ts';

/**
 * Every field of the schema, asked for by everybody, with one's own things, with another tenant's and with nobody's. The
 * schema is walked, so a new field is driven without a line here; one that its tenant's owner got no value of fails the
 * last test, which names it. What the owner needs to succeed is told in isolation/argument-values.ts where names and ids
 * are not enough.
 */
let two: TwoTenants;
let matrix: Matrix;
/** statements of the application that look for rows without saying whose */
const unfiltered = new Set<string>();
let stopTapping: () => void;

beforeAll(async () => {
  two = await createTwoTenants();
  const { world, acme, rival, operator, tokenOf } = two;
  matrix = createMatrix({ world, schema, acme, rival, operator, tokenOf });
  stopTapping = tapSql({ role: 'millrace_app', see: (text) => void (looksForRowsOfAnybody(text) && unfiltered.add(shapeOf(text))) });
});
afterAll(() => {
  stopTapping?.();
  return two?.close();
});

const named = createOperations(schema);
/** The first few say enough. */
const noLeak = (): void => expect(matrix.takeFindings().slice(0, 5)).toEqual([]);
const find = (askers: Asker[], name: Asker['name']): Asker => askers.find((asker) => asker.name === name)!;

it('both tenants have something in every table, and their mark in every text', async () => {
  for (const tenant of [two.acme, two.rival]) {
    const isKnown = (text: string): boolean => [...tenant.needles, ...tenant.secrets].some((needle) => text.includes(needle));
    expect(await blindSpots(two.inspection, tenant.tenantId, tenant.marks, isKnown)).toEqual([]);
  }
});

const daysFromNow = (days: number): string => new Date(Date.now() + days * 86_400_000).toISOString();
/** What a route is asked with, where its address alone asks for nothing. */
const queries: Record<string, string[]> = { '/audit': ['?format=jsonl', '?format=csv'], '/usage/export': [`?from=${daysFromNow(-1)}&to=${daysFromNow(2)}&by=day,actor,endpoint,model_version`], '/auth/sso': ['?tenant=x', '?email=x@x.test'] };
const drivenElsewhere = ['/graphql', '/graphql/stream', '/*'];

async function driveRoutes(isMeant: (url: string) => boolean): Promise<void> {
  const routes = two.routes.filter(({ url }) => !drivenElsewhere.includes(url) && isMeant(url));
  expect(routes.length).toBeGreaterThan(0);
  for (const { method, url } of routes) {
    for (const asker of await matrix.askers('signed-in')) {
      const ask = async (credential: string | undefined, query: string, id: string): Promise<string> => {
        const response = await fetch(`${two.world.api.url}${url.replace(/:\w+/g, id)}${query}`, {
          method,
          redirect: 'manual',
          headers: { 'x-request-id': `route-${asker.name.replaceAll(' ', '-')}`, ...(credential ? { authorization: `Bearer ${credential}` } : {}) },
          ...(method === 'GET' ? {} : { body: 'a,b\n1,2\n' }),
        });
        const text = Buffer.from(await response.arrayBuffer()).toString('latin1');
        const answer = { status: response.status, headers: [...response.headers], text };
        matrix.lookThrough(asker, `${method} ${url}${query}`, JSON.stringify(answer.headers) + text, [id]);
        return comparable(answer, [id]);
      };
      for (const credential of asker.credentials) {
        for (const query of queries[url] ?? ['']) {
          if (!url.includes(':')) {
            await ask(credential, query, '');
            continue;
          }
          for (const prefix of Object.values(idPrefixes)) {
            const [foreign] = asker.other.ids(prefix);
            if (!foreign) continue;
            const [theirs, nobodys] = [await ask(credential, query, foreign), await ask(credential, query, missingLike(foreign, asker.other.marks.canary))];
            if (theirs !== nobodys) matrix.findings.push(`${asker.name}, ${method} ${url}: ${theirs} is not ${nobodys}`);
            const own = asker.own?.ids(prefix)[0];
            if (own) await ask(credential, query, own);
          }
        }
      }
    }
  }
  noLeak();
}

// First, since later the trails hold what was tried in vain.
it('routes that name nothing give everybody their own tenant’s things and no other’s', () => driveRoutes((url) => !url.includes(':')));

describe('reading', () => {
  it.each(named.rootFields('query'))('Query.%s shows everybody their own tenant’s things and no other’s', async (field) => {
    const askers = await matrix.askers(matrix.needs('query', field));
    // What is the platform's, its operators may see.
    const isPlatforms = matrix.needs('query', field).startsWith('platform:');
    const [owner, stranger] = [find(askers, isPlatforms ? 'operator' : 'owner'), find(askers, 'owner of another tenant')];
    for (const operation of named.everyFieldFrom('query', field).operations) {
      const variables = await matrix.search(owner, owner.credentials[0]!, operation);
      const theirs = await matrix.search(stranger, stranger.credentials[0]!, operation);
      await matrix.ask(stranger, stranger.credentials[0]!, operation, { ...variables, ...theirs });
      const others = askers.filter((asker) => asker !== owner && asker !== stranger);
      await Promise.all(others.flatMap((asker) => asker.credentials.map((credential) => matrix.ask(asker, credential, operation, variables))));
    }
    noLeak();
  });

  const naming = [...named.rootFields('query').map((field) => named.whole('query', field, 1)), ...named.nestedArguments()];
  it.each(naming.filter(({ slots }) => slots.length).map((operation) => [operation.name, operation] as const))(
    '%s answers what another tenant has like what nobody has',
    async (_name, operation) => {
      const permission = matrix.needs('query', operation.field);
      const askers = await matrix.askers(permission);
      const strangers = askers.filter(({ name }) => name !== 'operator' || !permission.startsWith('platform:'));
      await Promise.all(
        strangers.map(async (asker) => {
          const working = asker.names ? await matrix.search(asker, asker.credentials[0]!, operation) : null;
          for (const each of matrix.foreignCases(operation, asker, working)) {
            for (const credential of asker.credentials) await matrix.compare(asker, credential, each);
          }
        }),
      );
      noLeak();
    },
  );
});

it('routes that name something answer what another tenant has like what nobody has', () => driveRoutes((url) => url.includes(':')));

/** In this order: what ends sessions, memberships and tenants comes last. */
const mutations = named.rootFields('mutation').sort((a, b) => endings(a) - endings(b));
function endings(field: string): number {
  const order = [/^(sign|set|create|add|begin|submit)/, /^(cancel|delete|remove|release|revoke|reset|change)/, /^leave/, /^(suspend|schedule|deleteTenant)/];
  return order.findLastIndex((pattern) => pattern.test(field));
}

describe('changing', () => {
  it.each(mutations)('Mutation.%s does nothing to another tenant, and tells nothing of it', async (field) => {
    /** Each tenant’s rows since its own people last did anything. */
    const rows = new Map<string, Record<string, string>>();
    const operation = named.whole('mutation', field);
    const permission = matrix.needs('mutation', field);
    for (const asker of await matrix.askers(permission)) {
      if (asker.name === 'operator' && permission.startsWith('platform:')) continue; // it is all theirs
      // What anybody may do to themselves is done by somebody who is not needed any more.
      const role = ({ viewer: 'VIEWER', owner: 'OWNER', 'owner of another tenant': 'OWNER', operator: 'OPERATOR' } as const)[asker.name as string];
      if (permission === 'signed-in' && role) asker.credentials = [(await two.member(asker.own, role)).token];
      const watched = asker.own === null ? [two.acme, two.rival] : [asker.other];
      const before = await Promise.all(watched.map(async ({ tenantId }) => rows.get(tenantId) ?? (await untouchable(tenantId))));
      const cases = matrix.foreignCases(operation, asker, null, asker.name === 'owner of another tenant' ? undefined : 1);
      for (const credential of asker.credentials) {
        if (!cases.length) await matrix.ask(asker, credential, operation, matrix.idleVariables(operation));
        for (const each of cases) {
          const changed = await matrix.giving(each.foreign, () => matrix.compare(asker, credential, each));
          if (changed && asker.own) await removeMarked(two.inspection, asker.own.tenantId, [asker.other.marks.canary, nobodysMark]);
        }
      }
      const after = await Promise.all(watched.map(({ tenantId }) => untouchable(tenantId)));
      expect({ asker: asker.name, rows: after }).toEqual({ asker: asker.name, rows: before });
      watched.forEach(({ tenantId }, place) => rows.set(tenantId, after[place]!));
      if (asker.own) rows.delete(asker.own.tenantId);
    }
    noLeak();
  });

  /** Digests of a tenant's rows, but for its trail: that tells a little later of what its own people were refused. */
  async function untouchable(tenantId: string): Promise<Record<string, string>> {
    const digests = Object.entries(await two.inspection.digests(tenantId));
    return Object.fromEntries(digests.filter(([table]) => !table.startsWith('audit_')));
  }

  it('nobody of another tenant has left a line in the trail', async () => {
    const foreign = await two.inspection.query(
      `SELECT action, actor FROM audit_events e WHERE tenant_id = ANY ($1) AND actor ~ '^(person|key):'
        AND NOT EXISTS (SELECT 1 FROM audit_events o WHERE o.tenant_id = e.tenant_id AND o.subject = split_part(e.actor, ':', 2))
        AND EXISTS (SELECT 1 FROM audit_events o WHERE o.tenant_id <> e.tenant_id AND o.action IN ('member.add', 'tenant.create', 'key.create')
          AND (o.subject = split_part(e.actor, ':', 2) OR o.details->>'owner' = split_part(e.actor, ':', 2)))`,
      [[two.acme.tenantId, two.rival.tenantId]],
    );
    expect(foreign).toEqual([]);
  });
});

let epoch = 100;

describe('watching', () => {
  const cases = named.rootFields('subscription').flatMap((field) => Object.keys(transports).map((transport) => [field, transport] as const));
  it.each(cases)('Subscription.%s over %s', async (field, transport) => {
    const operation = named.whole('subscription', field, 2);
    const [slot] = operation.slots.filter(namesSomething);
    /** Everything that arrives until it ends or, where it goes on, until the news that was made meanwhile is there. */
    async function follow(asker: Asker, credential: string | undefined, variables: Record<string, unknown>): Promise<string> {
      const arrived: string[] = [];
      const mark = ++epoch;
      for await (const result of transports[transport]!(two.world.api.url, operation.text, variables, credential)) {
        const text = JSON.stringify(result);
        arrived.push(text);
        matrix.lookThrough(asker, `${operation.name} over ${transport}`, text, textsIn(variables));
        const { data } = result as { data?: Record<string, unknown> | null };
        if (data && asker.name === 'owner') matrix.noteAnswered('subscription', { data, errors: [] });
        if (arrived.length === 1 && data) {
          const silent = asker.own === two.acme ? two.rival : two.acme;
          await silent.report(mark); // nobody but the other tenant gets to know of this
          await asker.own!.report(mark);
        }
        if (arrived.length > 1 && text.includes(`"${asker.own?.marks.canary}":${mark}`)) break;
      }
      // One value at first and one for its own news: none for the other tenant's.
      if (arrived.length > 2) matrix.findings.push(`${asker.name} got ${arrived.length} values from ${operation.name}`);
      return arrived.join('\n');
    }

    for (const asker of await matrix.askers(matrix.needs('subscription', field))) {
      for (const credential of asker.credentials) {
        matrix.noteAsked(asker, operation);
        if (asker.own) {
          await follow(asker, credential, variablesOf([{ slot: slot!, value: asker.own.runningRun }]));
        }
        for (const { foreign, missing } of matrix.foreignCases(operation, asker, null)) {
          const [theirs, nobodys] = [await follow(asker, credential, foreign), await follow(asker, credential, missing)];
          const [a, b] = [[theirs, foreign] as const, [nobodys, missing] as const].map(([text, sent]) => comparable({ status: 0, headers: [], text }, textsIn(sent)));
          if (a !== b) matrix.findings.push(`${asker.name}: ${a} is not ${b}`);
        }
      }
    }
    noLeak();
  });
});

describe('stories of the owner', () => {
  it.each(Object.entries(scenes))('%s', async (_name, scene) => {
    const owner = find(await matrix.askers('signed-in'), 'owner');
    await scene({ two, matrix, idp: two.idp, owner });
    noLeak();
  });
});

describe('the owner, last, since it uses things up', () => {
  it.each(mutations)('Mutation.%s', async (field) => {
    const operation = named.whole('mutation', field);
    const outcomes = new Set(matrix.outcomesOf(field));
    const isPlatforms = matrix.needs('mutation', field).startsWith('platform:');
    const owner = find(await matrix.askers('signed-in'), isPlatforms ? 'operator' : 'owner');
    for (const tenant of [two.acme, two.rival]) await tenant.refresh(two.inspection);
    const anew = async (): Promise<string> => (isPlatforms ? await two.operator() : await two.member(two.acme, 'OWNER')).token;
    let credential = await anew();
    for (const chosen of matrix.fillings(operation, isPlatforms ? two.rival : two.acme, 16)) {
      const answer = await matrix.ask(owner, credential, operation, variablesOf(chosen));
      matrix.noteAnswered('mutation', answer);
      const outcome = answer.data?.[field]?.__typename as string | undefined;
      if (outcome) outcomes.delete(outcome);
      if (!outcomes.size || outcome === 'DeleteTenantSuccess') break;
      if (answer.errors.some(({ extensions }) => extensions['code'] === 'UNAUTHENTICATED')) credential = await anew();
    }
    noLeak();
  });
});

describe('in the end', () => {
  it('the log holds no data of any tenant, and in the lines of a request no id of another', () => {
    const everybodys = [...two.acme.needles, ...two.rival.needles];
    const texts = new Set(everybodys.filter((needle) => !/^[a-z]{3}_/.test(needle)));
    const secrets = new Set([...two.acme.secrets, ...two.rival.secrets]);
    const faults: string[] = [];
    for (const line of two.log) {
      const { requestId = '' } = JSON.parse(line) as { requestId?: string };
      const request = matrix.requests.get(requestId);
      if (!needlesIn(line, [texts, secrets, ...(request?.forbidden ?? [])]).length) continue; // nothing at all, as in nearly every line
      const sent = [requestId, ...(request?.sent ?? [])];
      const leaked = [...needlesIn(line, [texts], sent), ...needlesIn(line, [secrets]), ...(request ? needlesIn(line, request.forbidden, sent) : [])];
      if (leaked.length) faults.push(`${leaked.slice(0, 3).join(', ')} in ${line.slice(0, 500)}`);
    }
    expect(two.log.length).toBeGreaterThan(matrix.requestsSent / 2);
    expect(faults).toEqual([]);
  });

  it('every statement of the application that looked for rows said whose', () => {
    expect([...unfiltered]).toEqual([]);
  });

  it('the metrics name no tenant and nothing of one', async () => {
    const text = await (await fetch(two.world.api.metricsUrl!)).text();
    expect(needlesIn(text, [two.acme.needles, two.rival.needles, two.acme.secrets, two.rival.secrets])).toEqual([]);
  });

  it('every field was driven as everybody, and its tenant’s owner got a value of it', () => {
    const fields = fieldsOf(schema);
    const cells = actorNames.flatMap((actor) => fields.map((field) => ({ actor, field })));
    const uncovered = cells.filter(({ actor, field }) => !(actor === 'owner' ? matrix.answered : matrix.asked.get(actor))?.has(field));
    process.stdout.write(
      `isolation matrix: ${fields.length} fields x ${actorNames.length} actors, covered ${cells.length - uncovered.length} of ${cells.length}, ` +
        `${matrix.requestsSent} operations, leaks ${matrix.leaks}\n`,
    );
    expect(uncovered.map(({ actor, field }) => `${field} by ${actor}`)).toEqual([]);
  });
});

import type { Permission } from '@millrace/auth';
import type { GraphQLField, GraphQLSchema } from 'graphql';
import { getNamedType, isUnionType, parse, TypeInfo, visit, visitWithTypeInfo } from 'graphql';
import type { Member, World } from '../api-world.ts';
import { idleValue, namingValues, ownValues, variablesOf } from './argument-values.ts';
import { comparable, missingLike, needlesIn, textsIn } from './leak-search.ts';
import { createOperations, type Operation, namesSomething, type RootKind, type Slot, visitFields } from './schema-operations.ts';
import { namesOfNobody, type TenantUnderTest } from './tenant-under-test.ts';

export const actorNames = ['anonymous', 'no permission', 'viewer', 'owner', 'owner of another tenant', 'revoked'] as const;
export type ActorName = (typeof actorNames)[number] | 'operator';

/** Somebody who asks, and what they must not get to see. */
export interface Asker {
  name: ActorName;
  /** whose things they may have; null for those who may have none */
  own: TenantUnderTest | null;
  /** whose things they name as if they were their own */
  names: TenantUnderTest | null;
  /** whose names they try out */
  other: TenantUnderTest;
  credentials: (string | undefined)[];
}

export interface Answer {
  status: number;
  headers: [string, string][];
  text: string;
  data: Record<string, any> | null; // eslint-disable-line @typescript-eslint/no-explicit-any
  errors: { path?: unknown[]; extensions: Record<string, unknown> }[];
}

type Chosen = { slot: Slot; value: unknown }[];

/** An operation that names one thing of another tenant, and the same one that names what nobody has. */
export interface ForeignCase {
  operation: Operation;
  slot: string;
  foreign: Record<string, unknown>;
  missing: Record<string, unknown>;
}

export interface MatrixOptions {
  world: World;
  schema: GraphQLSchema;
  acme: TenantUnderTest;
  rival: TenantUnderTest;
  operator: () => Promise<Member>;
  tokenOf: (member: Member) => Promise<string>;
}

/** Most values tried of one kind: things of a kind differ in their state only. */
const mostOfAKind = 3;

export function createMatrix({ world, schema, acme, rival, operator, tokenOf }: MatrixOptions) {
  const operations = createOperations(schema);
  const findings: string[] = [];
  /** by actor: every field that was asked for */
  const asked = new Map<ActorName, Set<string>>();
  /** every field of which the owner has got a value */
  const answered = new Set<string>();
  const requests = new Map<string, { asker: ActorName; operation: string; forbidden: ReadonlySet<string>[]; sent: string[] }>();
  const selected = new Map<string, string[]>();
  /** by whose askers: what they have asked for so far, which stands in their trail where it was in vain */
  const tried = new Map<TenantUnderTest | null, Set<string>>();
  /** names that have just been given to things of one's own, and come back from there */
  let given: string[] = [];
  /** by asker and root field: what has shown them something, the latest first */
  const worked = new Map<string, Record<string, unknown>[]>();
  /** names of operations at whose end nothing lies */
  const unreachable = new Set<string>();
  let count = 0;
  let leaks = 0;

  function forbiddenTo({ own }: Asker): Set<string>[] {
    return [acme, rival].filter((tenant) => tenant !== own).map(({ needles }) => needles);
  }

  function fieldsAsked({ text }: Operation): string[] {
    const known = selected.get(text);
    if (known) return known;
    const info = new TypeInfo(schema);
    const fields = new Set<string>();
    visit(parse(text), visitWithTypeInfo(info, { Field: ({ name }) => void (name.value !== '__typename' && fields.add(`${info.getParentType()!.name}.${name.value}`)) }));
    selected.set(text, [...fields]);
    return [...fields];
  }

  /** Sends an operation and looks through the whole answer. */
  async function ask(asker: Asker, credential: string | undefined, operation: Operation, variables: Record<string, unknown>): Promise<Answer> {
    const requestId = `matrix-${String(++count).padStart(6, '0')}`;
    const sent = textsIn(variables).filter((text) => text.length > 3);
    requests.set(requestId, { asker: asker.name, operation: operation.name, forbidden: forbiddenTo(asker), sent });
    const response = await fetch(`${world.api.url}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'x-request-id': requestId, ...(credential ? { authorization: `Bearer ${credential}` } : {}) },
      body: JSON.stringify({ query: operation.text, variables }),
    });
    const text = await response.text();
    const { data = null, errors = [] } = JSON.parse(text) as Partial<Answer>;
    const answer = { status: response.status, headers: [...response.headers], text, data, errors };
    if (response.headers.get('cache-control') !== 'no-store') findings.push(`a cache may keep the answer of ${operation.name}`);
    const before = triedBy(asker);
    const showsTrail = fieldsAsked(operation).includes('AuditEvent.subject');
    lookThrough(asker, `${operation.name} ${JSON.stringify(variables).slice(0, 300)}`, JSON.stringify(answer.headers) + text, showsTrail ? [...sent, ...before] : sent);
    for (const value of sent) before.add(value);
    noteAsked(asker, operation);
    return answer;
  }

  /** What somebody of the asker's tenant has named so far: its own trail tells of it. Add to it what is named elsewhere. */
  function triedBy(asker: Asker): Set<string> {
    const before = tried.get(asker.own) ?? new Set();
    tried.set(asker.own, before);
    return before;
  }

  function noteAsked({ name }: Asker, operation: Operation): void {
    const fields = asked.get(name) ?? new Set();
    asked.set(name, fields);
    for (const field of fieldsAsked(operation)) fields.add(field);
  }

  /** Whatever has reached somebody. */
  function lookThrough(asker: Asker, what: string, text: string, sent: readonly string[]): void {
    if (!needlesIn(text, [...forbiddenTo(asker), acme.secrets, rival.secrets]).length) return; // nothing at all, as in nearly every answer
    const visible = asker.name === 'operator' ? [...acme.managed, ...rival.managed] : [];
    const leaked = [...needlesIn(text, forbiddenTo(asker), [...sent, ...given, ...visible]), ...needlesIn(text, [acme.secrets, rival.secrets])];
    if (leaked.length) findings.push(`${asker.name} got ${leaked.slice(0, 5).join(', ')} from ${what}: …${around(text, leaked[0]!)}…`);
  }

  /** While this goes on, the names that it gives to things come back from there. Ids never do. */
  async function giving<T>(variables: Record<string, unknown>, work: () => Promise<T>): Promise<T> {
    given = textsIn(variables).filter((text) => text.length > 3 && !/^[a-z]{3}_[0-9a-z]{26}$/.test(text));
    try {
      return await work();
    } finally {
      given = [];
    }
  }

  function noteAnswered(root: RootKind, { data, errors }: Pick<Answer, 'data' | 'errors'>): string[] {
    const fields: string[] = [];
    visitFields(root, data, errors.flatMap(({ path }) => (path ? [path] : [])), (field) => {
      answered.add(field);
      fields.push(field);
    });
    return fields;
  }

  /**
   * At most so many of each kind: ids by their prefix; texts, of which no two are alike, all or, where one of each is
   * enough, two. The oldest and the newest come first, since they differ most.
   */
  function thinned(values: readonly unknown[], most = mostOfAKind): unknown[] {
    const byKind = new Map<string, unknown[]>();
    for (const value of values) {
      const kind = /^([a-z]{3})_[0-9a-z]{26}$/.exec(textsIn(value).at(-1) ?? '')?.[1] ?? '';
      byKind.set(kind, [...(byKind.get(kind) ?? []), value]);
    }
    return [...byKind].flatMap(([kind, ofKind]) => {
      const ordered = ofKind.map((_, index) => ofKind.at(index % 2 ? -1 - (index >> 1) : index >> 1));
      return kind ? ordered.slice(0, most) : most > 1 ? ofKind : ofKind.slice(0, 2);
    });
  }

  let fresh = 0;
  const freshName = (tenant: TenantUnderTest): string => `f${(++fresh).toString(36)}-${tenant.marks.canary}`;

  /** All ways to fill the slots that an operation needs, and one optional slot in turn; most promising first. */
  function* fillings(operation: Operation, tenant: TenantUnderTest, most: number): Generator<Chosen> {
    const required = operation.slots.filter((slot) => slot.required);
    const optional = operation.slots.filter((slot) => !slot.required && (slot.path.length > 1 || namesSomething(slot)) && !/^(after|before)$/.test(slot.name));
    let left = most;
    for (const extra of [null, ...optional]) {
      const slots = extra ? [...required, extra] : required;
      const choices = slots.map((slot) => thinned(ownValues(slot, tenant, () => freshName(tenant))));
      if (choices.some((values) => !values.length)) continue;
      for (const places of diagonally(choices.map(({ length }) => length))) {
        if (left-- <= 0) return;
        yield slots.map((slot, position) => {
          const value = choices[position]![places[position]!];
          return { slot, value: typeof value === 'string' && /^f[0-9a-z]+-/.test(value) ? freshName(tenant) : value };
        });
      }
    }
  }

  /** All variables with which the root field shows its asker anything. */
  async function alive(asker: Asker, credential: string, { root, field }: Operation): Promise<Record<string, unknown>[]> {
    const key = `${asker.name} ${field}`;
    const known = worked.get(key);
    if (known) return known;
    const found: Record<string, unknown>[] = [];
    const probe = operations.whole(root, field, 0);
    for (const chosen of fillings(probe, asker.names!, 80)) {
      const variables = variablesOf(chosen);
      const { data, errors } = await ask(asker, credential, probe, variables);
      if (!errors.length && data?.[field] != null) found.push(variables);
    }
    worked.set(key, found);
    return found;
  }

  /** Variables with which this operation shows its asker what it looks at, or else as much as there is. */
  async function search(asker: Asker, credential: string, operation: Operation): Promise<Record<string, unknown>> {
    const end = operation.name.split(' … ')[1];
    const candidates = unreachable.has(operation.name) ? (await alive(asker, credential, operation)).slice(0, 1) : await alive(asker, credential, operation);
    let best: { variables: Record<string, unknown>; fields: number } = { variables: candidates[0] ?? {}, fields: -1 };
    for (const variables of candidates) {
      const answer = await ask(asker, credential, operation, variables);
      const fields = asker.name === 'owner' || asker.name === 'operator' ? noteAnswered(operation.root, answer) : fieldsOf(operation.root, answer);
      if (fields.length > best.fields) best = { variables, fields: fields.length };
      if (answer.errors.length === 0 && (end ? fields.some((field) => field.startsWith(`${end}.`)) : fields.length > 1)) {
        // What has worked is tried first the next time.
        candidates.splice(candidates.indexOf(variables), 1);
        candidates.unshift(variables);
        return variables;
      }
    }
    if (candidates.length > 1) unreachable.add(operation.name); // tried out once is enough
    return best.variables;
  }

  function fieldsOf(root: RootKind, { data, errors }: Answer): string[] {
    const fields: string[] = [];
    visitFields(root, data, errors.flatMap(({ path }) => (path ? [path] : [])), (field) => fields.push(field));
    return fields;
  }

  /** For each slot that names something: all else the asker's own, this one another tenant's, and then nobody's. */
  function foreignCases(operation: Operation, asker: Asker, working: Record<string, unknown> | null, mostOfEach = mostOfAKind): ForeignCase[] {
    const nobody = namesOfNobody();
    return operation.slots.filter(namesSomething).flatMap((slot) => {
      const others = operation.slots.filter((other) => other !== slot && (other.required || (working && at(working, other.path) !== undefined && !exclusive(operation))));
      // Chosen anew for each: what the first makes must not be in the way of the second.
      const own = (): Chosen =>
        others.map((other) => {
          const known = working && at(working, other.path);
          if (known !== undefined && known !== null) return { slot: other, value: known };
          const isCredential = /password|token|code|secret/i.test(other.name); // a good one would open the door by right
          const value = asker.names && !isCredential ? ownValues(other, asker.names, () => freshName(asker.names!))[0] : undefined;
          return { slot: other, value: value ?? idleValue(other, nobody) };
        });
      return thinned(namingValues(slot, asker.other), mostOfEach).map((value) => {
        const like = (text: unknown): string => missingLike(String(text), asker.other.marks.canary);
        return {
          operation,
          slot: slot.coordinate,
          foreign: variablesOf([...own(), { slot, value }]),
          missing: variablesOf([...own(), { slot, value: Array.isArray(value) ? value.map(like) : like(value) }]),
        };
      });
    });
  }

  /**
   * Asks for what another tenant has and for what nobody has: both answers must be the same, byte for byte. Where both
   * have made or changed something, they show that, and must be of one type.
   * @returns whether anything was changed
   */
  async function compare(asker: Asker, credential: string | undefined, { operation, slot, foreign, missing }: ForeignCase): Promise<boolean> {
    const theirs = await ask(asker, credential, operation, foreign);
    const nobodys = await ask(asker, credential, operation, missing);
    const outcome = ({ data }: Answer): string => data?.[operation.field]?.__typename ?? '';
    const changed = operation.root === 'mutation' && [theirs, nobodys].some((answer) => /Success$/.test(outcome(answer)));
    if (changed && outcome(theirs) === outcome(nobodys)) return true;
    const [a, b] = [comparable(theirs, textsIn(foreign)), comparable(nobodys, textsIn(missing))];
    if (a !== b) findings.push(`${asker.name}, ${slot}: what another tenant has is answered otherwise than what nobody has\n  foreign ${JSON.stringify(foreign).slice(0, 200)}: ${a.slice(-600)}\n  missing: ${b.slice(-600)}`);
    return changed;
  }

  /** What the field says that its caller must have. */
  function needs(root: RootKind, name: string): 'public' | 'signed-in' | Permission {
    const { extensions } = operations.rootField(root, name) as GraphQLField<unknown, unknown>;
    const scopes = (extensions['pothosOptions'] as { authScopes?: { permission?: Permission; signedIn?: boolean } } | undefined)?.authScopes;
    return scopes?.permission ?? (scopes?.signedIn ? 'signed-in' : 'public');
  }

  /** The six, and the operator. */
  async function askers(permission: 'public' | 'signed-in' | Permission): Promise<Asker[]> {
    const unpermitted = permission === 'endpoint:predict' ? acme.keys.read : acme.keys.predict;
    return [
      { name: 'anonymous', own: null, names: null, other: acme, credentials: [undefined] },
      { name: 'no permission', own: acme, names: acme, other: rival, credentials: [unpermitted] },
      { name: 'viewer', own: acme, names: acme, other: rival, credentials: [await tokenOf(acme.viewer)] },
      { name: 'owner', own: acme, names: acme, other: rival, credentials: [await tokenOf(acme.owner)] },
      { name: 'owner of another tenant', own: rival, names: rival, other: acme, credentials: [await tokenOf(rival.owner)] },
      { name: 'revoked', own: null, names: null, other: acme, credentials: [acme.revoked.token, acme.revoked.key] },
      { name: 'operator', own: null, names: acme, other: rival, credentials: [(await operator()).token] },
    ];
  }

  return {
    operations,
    findings,
    answered,
    asked,
    requests,
    ask,
    lookThrough,
    triedBy,
    giving,
    search,
    foreignCases,
    compare,
    fillings,
    idleVariables: (operation: Operation) => {
      const nobody = namesOfNobody();
      return variablesOf(operation.slots.filter(({ required }) => required).map((slot) => ({ slot, value: idleValue(slot, nobody) })));
    },
    needs,
    askers,
    noteAnswered,
    noteAsked,
    get requestsSent() {
      return count;
    },
    /** in all, also those taken away */
    get leaks() {
      return leaks + findings.length;
    },
    /** What was found since the last time. */
    takeFindings(): string[] {
      leaks += findings.length;
      return findings.splice(0);
    },
    /** What an outcome may be, where a field answers with a union. */
    outcomesOf(name: string): string[] {
      const type = getNamedType(operations.rootField('mutation', name).type);
      return isUnionType(type) ? type.getTypes().map((member) => member.name) : [type.name];
    },
  };
}

export type Matrix = ReturnType<typeof createMatrix>;

const around = (text: string, needle: string): string => text.slice(Math.max(0, text.indexOf(needle) - 150), text.indexOf(needle) + 100);

/** Whether a field takes one of several names: then only one is given. */
const exclusive = ({ slots }: Operation): boolean => slots.length > 1 && slots.every((slot) => !slot.required);

function at(variables: Record<string, unknown>, path: readonly string[]): unknown {
  return path.reduce<unknown>((value, key) => (value as Record<string, unknown> | undefined)?.[key], variables);
}

/**
 * All combinations of places, those whose places add up to least first: every value of every slot comes up early, not only
 * those of the last slot. One at a time, since there are many more than are looked at.
 */
function* diagonally(lengths: readonly number[]): Generator<number[]> {
  const most = lengths.reduce((sum, length) => sum + length - 1, 0);
  for (let sum = 0; sum <= most; sum++) yield* summingTo(sum, lengths);
}

function* summingTo(sum: number, lengths: readonly number[]): Generator<number[]> {
  const length = lengths.at(-1);
  if (length === undefined) {
    if (sum === 0) yield [];
    return;
  }
  for (let place = 0; place < length && place <= sum; place++) {
    for (const before of summingTo(sum - place, lengths.slice(0, -1))) yield [...before, place];
  }
}

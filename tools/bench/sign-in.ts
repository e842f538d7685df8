import { parseArgs } from 'node:util';
import { type Auth, createAuth, defaultSignInLimits } from '@millrace/auth';
import { newId, silentLogger } from '@millrace/kernel';
import { createWorld, type MemberInWorld, testSecrets, type World } from '@millrace/testkit';

const tolerance = 0.05;
const accountsEach = 10;

/** Somebody who is refused, and how. */
interface Attempt {
  email: string;
  password: string;
  code?: string;
}

/**
 * Whether the time of a refusal tells who exists: sign-ins that are refused for different reasons, in random order, one
 * after the other. The medians must lie within five per cent of that of an unknown account. Told apart: as the product
 * answers, and with the answer given as soon as it is known (which is for information only).
 */
export async function benchSignIn(parameters: string[]): Promise<void> {
  const { values } = parseArgs({ args: parameters, options: { attempts: { type: 'string', default: '200' } } });
  const attempts = Number(values.attempts);
  say('starting the database, and people of each kind');
  const world = await createWorld();
  try {
    const kinds = await createKinds(world);
    let worst = 0;
    for (const [title, refusalMs] of [['as the product answers', undefined], ['without waiting (for information)', 0]] as const) {
      const auth = authOf(world, refusalMs);
      const times = await measure(auth, kinds, attempts);
      const deviation = report(`${title}, ${attempts} attempts each`, times);
      if (refusalMs === undefined) worst = deviation;
    }
    say(`largest deviation from an unknown account: ${(worst * 100).toFixed(2)} % (allowed: ${tolerance * 100} %)`);
    if (worst > tolerance) process.exitCode = 1;
  } finally {
    await world.close();
  }
}

/** Nothing is locked here: a lock is answered alike for all, and at once. */
function authOf(world: World, refusalMs: number | undefined): Auth {
  const { pair, account, address } = defaultSignInLimits;
  const failures = 1_000_000;
  return createAuth({
    database: world.db.database, ...testSecrets, logger: silentLogger,
    signInLimits: { pair: { ...pair, failures }, account: { ...account, failures }, address: { ...address, failures } },
    ...(refusalMs === undefined ? {} : { refusalMs }),
  });
}

async function createKinds(world: World): Promise<Record<string, Attempt[]>> {
  const owners = async () => {
    const made = [];
    for (let i = 0; i < accountsEach; i++) made.push(await world.tenant());
    return made;
  };
  const wrong = ({ owner }: { owner: { email: string } }): Attempt => ({ email: owner.email, password: 'a guess' });
  const change = async (sql: string, made: Awaited<ReturnType<typeof owners>>, id: 'tenantId' | 'personId') => {
    for (const { owner } of made) await world.db.asOwner(sql, [owner.actor[id]]);
    return made;
  };
  const withFactor = await owners();
  for (const { owner } of withFactor) await protect(world, owner);
  return {
    'unknown account': Array.from({ length: accountsEach }, () => ({ email: `${newId('person')}@example.com`, password: 'a guess' })),
    'wrong password': (await owners()).map(wrong),
    'no password (single sign-on only)': (await change('UPDATE people SET password_hash = NULL WHERE id = $1', await owners(), 'personId')).map(wrong),
    'suspended tenant, right password': (await change(`UPDATE tenants SET status = 'SUSPENDED' WHERE id = $1`, await owners(), 'tenantId')).map(({ owner }) => owner),
    'no membership, right password': (await change('DELETE FROM memberships WHERE person_id = $1', await owners(), 'personId')).map(({ owner }) => owner),
    'second factor, right password, wrong code': withFactor.map(({ owner }) => ({ ...owner, code: 'aaaaaaaaaa' })),
  };
}

async function protect(world: World, { actor, password }: MemberInWorld): Promise<void> {
  const begun = await world.auth.secondFactor.begin(actor, { password });
  if (begun.type !== 'begun') throw new Error(begun.type);
  await world.db.asOwner('UPDATE people SET totp_confirmed_at = now() WHERE id = $1', [actor.personId]);
}

async function measure(auth: Auth, kinds: Record<string, Attempt[]>, attempts: number): Promise<Record<string, number[]>> {
  const times: Record<string, number[]> = Object.fromEntries(Object.keys(kinds).map((kind) => [kind, []]));
  for (let round = -2; round < attempts; round++) {
    if (round % 50 === 0) say(`attempt ${round} of ${attempts}`);
    for (const [kind, people] of shuffled(Object.entries(kinds))) {
      const { email, password, code } = people[(round + 2) % people.length]!;
      const address = `10.${Math.floor(Math.random() * 256)}.${Math.floor(Math.random() * 256)}.${Math.floor(Math.random() * 256)}`;
      const begun = performance.now();
      const { type } = await auth.signIn(email, password, { address }, code);
      const taken = performance.now() - begun;
      if (type !== 'refused') throw new Error(`${kind}: ${type}`);
      if (round >= 0) times[kind]!.push(taken); // the first ones warm up
    }
  }
  return times;
}

/** @returns the largest deviation of a median from that of unknown accounts */
function report(title: string, times: Record<string, number[]>): number {
  const quantile = (values: number[], share: number): number => [...values].sort((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * share))]!;
  const base = quantile(times['unknown account']!, 0.5);
  let largest = 0;
  console.log(`\n${title}`);
  console.log(`${'refused because of'.padEnd(44)}${'median ms'.padStart(11)}${'p95 ms'.padStart(10)}${'to unknown'.padStart(13)}`);
  for (const [kind, values] of Object.entries(times)) {
    const median = quantile(values, 0.5);
    largest = Math.max(largest, Math.abs(median / base - 1));
    console.log(`${kind.padEnd(44)}${median.toFixed(2).padStart(11)}${quantile(values, 0.95).toFixed(2).padStart(10)}${((median / base - 1) * 100).toFixed(2).padStart(11)} %`);
  }
  console.log();
  return largest;
}

function shuffled<T>(values: T[]): T[] {
  return values.map((value) => [Math.random(), value] as const).sort(([a], [b]) => a - b).map(([, value]) => value);
}

function say(text: string): void {
  console.error(`bench     | ${text}`);
}

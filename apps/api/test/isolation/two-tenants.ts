import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type Auth, createAuth, platformTenantId, type Role } from '@millrace/auth';
import { newId, silentLogger } from '@millrace/kernel';
import { type IdentityProvider, type Inspection, openInspection, startIdentityProvider } from '@millrace/testkit';
import type { FastifyInstance, HTTPMethods } from 'fastify';
import { createApiLogger } from '../../src/logger.ts';
import { createApiWorld, type Member, password, secrets, type World } from '../api-world.ts';
import { sentExplanation } from '../sent-explanation.ts';
import { createTenantUnderTest, type TenantUnderTest } from './tenant-under-test.ts';

export interface Route {
  method: HTTPMethods;
  url: string;
}

export interface TwoTenants {
  world: World;
  auth: Auth;
  inspection: Inspection;
  /** of whichever tenant wants one */
  idp: IdentityProvider;
  acme: TenantUnderTest;
  rival: TenantUnderTest;
  /** somebody of the platform's own tenant, signed in */
  operator(): Promise<Member>;
  /** an access token of theirs that is good for minutes to come: all of this may take longer than one lives */
  tokenOf(member: Member): Promise<string>;
  /** a further member, signed in; without a tenant, of the platform */
  member(tenant: TenantUnderTest | null, role: Role): Promise<Member>;
  /** every line that the API has logged, as it came */
  log: string[];
  /** every route that the API serves */
  routes: Route[];
  close(): Promise<void>;
}

const renewAfterMs = 240_000;
const patient = { failures: 10_000, withinSeconds: 60, lockSeconds: 1, longestLockSeconds: 1 };

/** An API with two tenants full of things, whose log is kept down to the last detail. */
export async function createTwoTenants(): Promise<TwoTenants> {
  const log: string[] = [];
  const routes: Route[] = [];
  // Fastify tells of each server that it makes: so its routes are known without asking the product for them.
  const onServer = (message: unknown): void => {
    (message as { fastify: FastifyInstance }).fastify.addHook('onRoute', ({ method, url }) => {
      for (const one of [method].flat()) if (one !== 'HEAD') routes.push({ method: one as HTTPMethods, url });
    });
  };
  subscribe('fastify.initialization', onServer);
  const ownerOfEndpoint = new Map<string, string>();
  let tenantOf = async (_credential: string): Promise<string | null> => null;
  const inference = await startInferenceDouble(async (credential, endpoint) => {
    const tenantId = await tenantOf(credential);
    return tenantId !== null && ownerOfEndpoint.get(endpoint) === tenantId;
  });
  const idp = await startIdentityProvider({ redirectUri: 'http://127.0.0.1/auth/sso/callback' });
  const world = await createApiWorld({
    outboundNetworks: ['127.0.0.0/8'],
    inferenceUrl: `http://127.0.0.1:${(inference.address() as AddressInfo).port}`,
    metricsPort: 0,
    logger: createApiLogger({ level: 'trace', secrets: [], destination: { write: (line: string) => void log.push(line) } }),
    // Who asks for everything asks for much.
    costPerMinute: Number.MAX_SAFE_INTEGER,
    signInLimits: { pair: patient, account: patient, address: patient },
  });
  unsubscribe('fastify.initialization', onServer);
  const auth = createAuth({ database: world.database.database, ...secrets, logger: silentLogger });
  const inspection = await openInspection(world.database.urls.owner);
  const acme = await createTenantUnderTest(world, auth, inspection);
  const rival = await createTenantUnderTest(world, auth, inspection);
  tenantOf = async (credential) => (await auth.authenticate(credential))?.tenantId ?? null;
  for (const { marks, tenantId } of [acme, rival]) ownerOfEndpoint.set(`endpoint-${marks.canary}`, tenantId);

  async function add(tenantId: string, role: Role, domain: string): Promise<Member> {
    const email = `${role.toLowerCase()}-${newId('person').slice(4)}@${domain}.test`;
    const added = await auth.members.add({ tenantId, name: `${role} of ${domain}`, email, password, role });
    if (added.type !== 'added') throw new Error(JSON.stringify(added));
    const outcome = await auth.signIn(email, password);
    if (outcome.type !== 'signed-in') throw new Error(`${email}: ${outcome.type}`);
    return { actor: outcome.actor, token: outcome.accessToken, refreshToken: outcome.refreshToken, email };
  }
  let standing: Promise<Member> | undefined;
  const renewedAt = new Map<Member, number>();
  const begunAt = Date.now();

  async function tokenOf(member: Member): Promise<string> {
    if (Date.now() > (renewedAt.get(member) ?? begunAt) + renewAfterMs) {
      renewedAt.set(member, Date.now()); // before, since a refresh token used twice ends the session
      const renewed = await auth.refresh(member.refreshToken);
      if (renewed.type === 'signed-in') Object.assign(member, { token: renewed.accessToken, refreshToken: renewed.refreshToken });
    }
    return member.token;
  }

  return {
    world, auth, inspection, idp, acme, rival, log, routes, tokenOf,
    async operator() {
      const member = await (standing ??= add(platformTenantId, 'OPERATOR', 'platform'));
      await tokenOf(member);
      return member;
    },
    async member(tenant, role) {
      if (!tenant) return add(platformTenantId, role, 'platform');
      const member = await add(tenant.tenantId, role, tenant.marks.canary);
      for (const needle of [member.actor.personId, member.actor.sessionId]) tenant.needles.add(needle);
      return member;
    },
    async close() {
      await inspection.close();
      await world.close();
      await idp.close();
      inference.closeAllConnections();
      await new Promise((resolve) => inference.close(resolve));
    },
  };
}

/** Answers as the inference server does: to a tenant's own endpoint with predictions, to any other that there is none. */
async function startInferenceDouble(serves: (credential: string, endpoint: string) => Promise<boolean>): Promise<Server> {
  const server = createServer((request, response) => {
    const name = /^\/v1\/models\/([^/:]+):(?:predict|explain)$/.exec(request.url ?? '')?.[1] ?? '';
    const credential = (request.headers.authorization ?? '').replace(/^Bearer /, '');
    request.resume();
    void serves(credential, name).then((found) => {
      response.writeHead(found ? 200 : 404, { 'content-type': 'application/json', 'x-millrace-model-version': '1', 'x-millrace-prediction-id': 'prd_00000000000000000000000001', 'x-millrace-cost-units': '1', 'x-millrace-warnings': 'unseen_category;x' });
      const missing = { code: 'model_not_found', message: 'There is no such endpoint.', remedy_hint: 'List them.' };
      response.end(JSON.stringify(found ? { predictions: [1], explanations: [sentExplanation] } : { error: missing }));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return server;
}

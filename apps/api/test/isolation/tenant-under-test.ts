import { randomBytes, randomUUID } from 'node:crypto';
import { type ApiKeyScope, type Auth, platformTenantId, type Role, type SignedIn } from '@millrace/auth';
import { notify } from '@millrace/database';
import { newId } from '@millrace/kernel';
import type { Inspection } from '@millrace/testkit';
import { type Member, password, type World } from '../api-world.ts';
import { addAsyncPredictions } from '../async-predictions.ts';
import { fillTables, type Marks, newMarks } from './fill-tables.ts';

/** Values by which things are named: of a tenant, or of nobody. */
export interface Names {
  /** by the prefix that ids of their kind have */
  ids(prefix: string): readonly string[];
  /** of data sets, models, endpoints, aliases, keys … */
  texts: string[];
  emails: string[];
  slugs: string[];
}

/** A tenant full of things, every text of which holds its canary. */
export interface TenantUnderTest extends Names {
  tenantId: string;
  marks: Marks;
  owner: Member;
  viewer: Member;
  /** credentials that were good once */
  revoked: { token: string; key: string };
  keys: { predict: string; read: string };
  /** a training configuration that fits its data */
  spec: object;
  runningRun: string;
  /** an epoch more of its running run, as a worker would report it */
  report(epoch: number): Promise<void>;
  /** its owner, signed in anew */
  signInOwner(): Promise<Member>;
  /** reads anew what it has by now */
  refresh(inspection: Inspection): Promise<void>;
  /** every text and id of it that somebody else must never see */
  needles: Set<string>;
  /** what nobody must ever see */
  secrets: Set<string>;
  /** what the platform's operators see of it: its own row and the domains that they approve, which hold none of its data */
  managed: string[];
}

const idShape = /\b[a-z]{3}_[0-9a-z]{26}\b/g;

export async function createTenantUnderTest(world: World, auth: Auth, inspection: Inspection): Promise<TenantUnderTest> {
  const marks = newMarks();
  const { canary } = marks;
  const { database } = world.database;

  const trail: string[] = [];

  async function signIn(email: string): Promise<Member> {
    const outcome = (await auth.signIn(email, password)) as SignedIn;
    return { actor: outcome.actor, token: outcome.accessToken, refreshToken: outcome.refreshToken, email };
  }
  async function member(role: Role, of = tenantId): Promise<Member> {
    const email = `${role.toLowerCase()}-${newId('person').slice(4)}@${canary}.test`;
    const added = await auth.members.add({ tenantId: of, name: `${role} ${canary}`, email, password, role });
    if (added.type !== 'added') throw new Error(JSON.stringify(added));
    return signIn(email);
  }
  const ask = async (query: string, input: object): Promise<Record<string, any>> => { // eslint-disable-line @typescript-eslint/no-explicit-any
    const headers = { 'user-agent': `agent-${canary}`, 'x-request-id': `request-${canary}` };
    const { data, text } = await world.graphql(query, { input }, owner.token, headers);
    const [outcome] = Object.values(data ?? {});
    if (!outcome || !/Success$/.test(outcome.__typename)) throw new Error(text);
    return outcome;
  };

  const ownerEmail = `owner@${canary}.test`;
  const created = await auth.createTenant({ tenantName: `Works ${canary}`, name: `Owner ${canary}`, email: ownerEmail, password });
  if (created.type !== 'created') throw new Error(JSON.stringify(created));
  const { tenantId } = created;
  const owner = await signIn(ownerEmail);
  const viewer = await member('VIEWER');
  const apiKey = async (scopes: ApiKeyScope[], models: string[] = []): Promise<{ id: string; text: string }> => {
    const outcome = await auth.keys.create(owner.actor, { alias: `key ${canary}`, scopes, models });
    if (outcome.type !== 'created') throw new Error(JSON.stringify(outcome));
    return { id: outcome.apiKey.id, text: outcome.key };
  };
  const keys = { predict: (await apiKey(['PREDICT'])).text, read: (await apiKey(['READ'])).text };
  const revokedKey = await apiKey(['ADMIN'], [`endpoint-${canary}`]);
  await auth.keys.revoke(owner.actor, revokedKey.id);
  const leaver = await member('ADMIN');
  await auth.signOut(leaver.actor);

  // Data of every column type, and files in every state.
  const columns = { size: `size-${canary}`, state: `state-${canary}`, day: `day-${canary}`, note: `note-${canary}`, twin: `twin-${canary}` };
  const rows = Array.from({ length: 60 }, (_, i) => [i * 1.5, `${['idle', 'busy'][i % 2]}-${canary}`, `2026-01-${String((i % 28) + 1).padStart(2, '0')}`, `part ${i} of ${canary} on line ${i * 7}`, i * 3]);
  const csv = [Object.values(columns), ...rows].map((row) => row.join(',')).join('\n');
  const upload = async (body: string | null): Promise<string> => {
    const { upload: made } = await ask(
      'mutation ($input: BeginUploadInput!) { beginUpload(input: $input) { __typename ... on BeginUploadSuccess { upload { id } } } }',
      { filename: `file-${canary}.csv`, mediaType: `text/x-${canary}` },
    );
    if (body !== null) await world.put(owner.token, `/uploads/${made.id}`, body);
    return made.id;
  };
  const uploadId = await upload(csv);
  await upload(null);
  await upload(`${canary}\n"broken`);
  const { dataset, version } = await ask(
    `mutation ($input: CreateDatasetInput!) { createDataset(input: $input) { __typename ... on CreateDatasetSuccess { dataset { id } version { id } } ... on Error { message } } }`,
    { name: `data-${canary}`, description: `about ${canary}`, uploadId },
  );
  await ask(
    'mutation ($input: AppendDatasetRowsInput!) { appendDatasetRows(input: $input) { __typename } }',
    { datasetId: dataset.id, uploadId: await upload(csv) },
  );
  const spec = {
    inputFeatures: [{ name: columns.size, type: 'number' }],
    outputFeatures: [{ name: columns.state, type: 'category' }],
    models: [{ family: 'knn', k: 3 }],
  };
  const submitted = await ask(
    'mutation ($input: SubmitRunInput!) { submitRun(input: $input) { __typename ... on SubmitRunSuccess { run { id } } } }',
    { datasetVersionId: version.id, modelName: `model-${canary}`, spec },
  );

  // Runs and a version as a worker leaves them.
  const [runningRun, failedRun, doneRun, otherRun] = [newId('run'), newId('run'), newId('run'), newId('run')];
  const [modelId, versionId] = [newId('model'), newId('modelVersion')];
  const common = { tenantId, datasetVersionId: version.id, modelName: `model-${canary}`, spec: { ...spec, note: canary }, acknowledgedLeaks: [columns.twin], createdBy: `person:${owner.actor.personId}` };
  await database.forTenant(tenantId).transaction(async (tx) => {
    await tx.run.createMany({
      data: [
        {
          ...common, id: runningRun, status: 'RUNNING', leaseToken: randomUUID(), leaseUntil: new Date(Date.now() + 3_600_000), leasedBy: `worker-${canary}`,
          progress: { trial: 0, trials: 1, family: `family-${canary}`, epoch: 1, epochs: 9 }, backend: `backend-${canary}`, checkpointKey: `tenants/${tenantId}/${canary}`,
        },
        { ...common, id: failedRun, status: 'FAILED', finishedAt: new Date(), failureCode: `CODE_${canary}`, failureMessage: `failed ${canary}`, failureRemedy: `mend ${canary}`, optimisation: { base: versionId, steps: [{ method: 'condense', keep: 0.5, note: canary }] } },
        { ...common, id: doneRun, status: 'SUCCEEDED', finishedAt: new Date(), computeSeconds: 2 },
        { ...common, id: otherRun, status: 'SUCCEEDED', finishedAt: new Date(), computeSeconds: 2 },
      ],
    });
    for (const runId of [runningRun, failedRun, doneRun]) {
      await tx.runEvent.create({ data: { tenantId, runId, sequence: 1, type: `type-${canary}`, data: { worker: canary } } });
      await tx.runMetric.create({ data: { tenantId, runId, trial: 0, epoch: 1, values: { [canary]: 1 } } });
      await tx.trial.create({ data: { tenantId, runId, number: 0, family: `family-${canary}`, parameters: { [canary]: 1 }, metrics: { [canary]: 1 }, fitTimeSeconds: 1 } });
    }
    await tx.model.create({ data: { id: modelId, tenantId, name: `model-${canary}`, task: 'CLASSIFICATION', description: `does ${canary}`, tags: [canary], gate: { metric: canary, atMostWorse: 1 } } });
    const shared = { tenantId, modelId, datasetVersionId: version.id, family: `family-${canary}`, packagePrefix: `tenants/${tenantId}/${canary}`, packageSha256: randomBytes(32).toString('hex'), sizeBytes: 1n, sizeGzBytes: 1n, signature: { [canary]: 1 }, metrics: { [canary]: 1, accuracy: 0.9 }, agreement: { [canary]: 1 }, provenance: { filename: canary }, tags: [canary] };
    const cost = { sizeBytes: 2, sizeGzBytes: 1, predTimeMsP50: 0.5 };
    const optimisation = {
      parent: { id: versionId, number: 1 }, origin: { id: versionId, number: 1 }, steps: [{ method: 'condense', keep: 0.5, note: canary }], metric: `f1-${canary}`,
      score: 0.9, parentScore: 0.91, loss: { loss: 1, lower: -1, upper: 2, coverage: 0.95, rows: 30 }, lossFromOrigin: 1, cost, parentCost: { ...cost, sizeBytes: 1 },
    };
    await tx.modelVersion.create({ data: { ...shared, id: versionId, number: 1, status: 'READY', runId: doneRun } });
    await tx.modelVersion.create({ data: { ...shared, id: newId('modelVersion'), number: 2, status: 'FAILED', runId: failedRun, failure: `failed ${canary}`, signature: { inputs: [{ name: canary, type: 'category', required: true, categories: [canary] }] } } });
    await tx.modelVersion.create({ data: { ...shared, id: newId('modelVersion'), number: 3, status: 'READY', runId: otherRun, optimisation } });
    await tx.versionReview.create({ data: { id: newId('versionReview'), tenantId, versionId, verdict: 'APPROVED', comment: `fit ${canary}`, evidence: { [canary]: 1 }, reviewedBy: `person:${owner.actor.personId}` } });
    await tx.modelImport.create({ data: { id: newId('modelImport'), tenantId, uploadId, modelName: `model-${canary}`, options: { signature: { name: canary } }, problems: [{ code: 'not_onnx', field: 'model', message: canary, remedy: canary }], status: 'FAILED', finishedAt: new Date(), versionId, createdBy: `person:${owner.actor.personId}` } });
    await tx.usageRecord.createMany({
      data: [{ tenantId, requestId: newId('prediction'), at: new Date(), kind: 'PREDICTION', actor: `person:${owner.actor.personId}`, rows: 4_321_567, units: 4_321_567 }],
    });
  });
  await ask(
    'mutation ($input: SetModelAliasInput!) { setModelAlias(input: $input) { __typename } }',
    { modelId, alias: `a-${canary}`, versionNumber: 1 },
  );
  await ask(
    'mutation ($input: PublishModelVersionInput!) { publishModelVersion(input: $input) { __typename } }',
    { versionId, endpointName: `endpoint-${canary}` },
  );
  await ask(
    'mutation ($input: CreateEndpointInput!) { createEndpoint(input: $input) { __typename } }',
    { name: `other-${canary}`, modelId, alias: `a-${canary}` },
  );
  await database.forTenant(tenantId).transaction(async (tx) => {
    const { id: endpointId } = await tx.endpoint.findFirstOrThrow({ where: { tenantId, name: `other-${canary}` } });
    await tx.truthCount.create({ data: { tenantId, endpointId, versionId, variant: 'STABLE', slot: new Date(), truth: 0, answer: 0, rows: 3 } });
    const [recordingId, predictionId] = [newId('recording'), newId('prediction')];
    await tx.recording.create({ data: { id: recordingId, tenantId, endpointId, versionId, variant: 'STABLE', outputsBox: Buffer.from(canary), predictions: 1, bytes: 1, endsAt: new Date(Date.now() + 86_400_000) } });
    await tx.recordedPrediction.create({ data: { tenantId, predictionId, recordingId, place: 0 } });
    await tx.feedback.create({ data: { tenantId, predictionId, truthBox: Buffer.from(canary), source: `source ${canary}`, givenBy: `person:${owner.actor.personId}`, trusted: true } });
    await tx.endpoint.update({ where: { tenantId_id: { tenantId, id: endpointId } }, data: { webhookReceiver: `https://${canary}.test`, recordingStoppedAt: new Date() } });
    const rolloutId = newId('rollout');
    await tx.rollout.create({
      data: {
        id: rolloutId, tenantId, endpointId, versionId, previousVersionId: versionId, status: 'ROLLED_BACK', steps: [5, 100], bakeSeconds: 60, minRequests: 1, endedAt: new Date(),
        brokenRule: { metric: 'errorRate', op: '>', threshold: 0.1, value: 0.5, over: 20, note: canary }, endedBy: `person:${owner.actor.personId}`,
        rollbackOn: [{ metric: 'errorRate', op: '>', threshold: 0.1, note: canary }], reason: `rolled back ${canary}`, createdBy: `person:${owner.actor.personId}`,
      },
    });
    // Over already, so that nobody is called.
    const event = { event: `rollout-${canary}`, receiver: `https://${canary}.test`, endpointId, urlBox: Buffer.from(canary), body: `{"note":"${canary}"}`, status: 'FAILED' as const, endedAt: new Date() };
    await tx.webhookDelivery.create({ data: { id: newId('webhookDelivery'), tenantId, rolloutId, ...event } });
  });
  await addAsyncPredictions(database, owner.actor, `endpoint-${canary}`, canary);
  await fillTables(inspection, tenantId, marks);
  await inspection.query('UPDATE quota_counters SET limit_value = 1000000000 WHERE tenant_id = $1', [tenantId]);
  // On what is worthless already, so that nobody is kept out by it.
  await inspection.query('UPDATE api_keys SET addresses = $1, metadata = $2 WHERE id = $3', [[`net-${canary}`], { note: canary }, revokedKey.id]);
  await inspection.query('UPDATE sessions SET grant_id = (SELECT id FROM access_grants WHERE tenant_id = $1 LIMIT 1) WHERE id = $2', [tenantId, leaver.actor.sessionId]);

  const idsByPrefix = new Map<string, string[]>();
  const tenant: TenantUnderTest = {
    tenantId, marks, owner, viewer, keys, spec, runningRun,
    revoked: { token: leaver.token, key: revokedKey.text },
    ids: (prefix) => idsByPrefix.get(prefix) ?? [],
    texts: [], emails: [], slugs: [],
    needles: new Set([canary]),
    secrets: new Set([marks.secret]),
    managed: [],
    signInOwner: () => signIn(ownerEmail),
    async report(epoch) {
      await database.forTenant(tenantId).transaction(async (tx) => {
        await tx.runMetric.create({ data: { tenantId, runId: runningRun, trial: 0, epoch, values: { [canary]: epoch } } });
        await notify(tx, 'millrace_run', `${tenantId}:${runningRun}`);
      });
    },
    async refresh(inspect) {
      const found = await inspect.rows(tenantId, { withTrail: false });
      // A trail also names what somebody asked for in vain, which may be another's: only what its lines are known by counts.
      for (const { id, hash } of await inspect.trail(tenantId, trail.at(-1) ?? '')) {
        trail.push(id);
        tenant.needles.add(hash);
      }
      const ids = new Set(trail);
      const texts = new Set<string>();
      for (const ofTenant of Object.values(found)) {
        for (const row of ofTenant) {
          for (const id of JSON.stringify(row).match(idShape) ?? []) if (id !== platformTenantId) ids.add(id);
          for (const [column, value] of Object.entries(row)) {
            if (typeof value !== 'string' || value.startsWith('\\x')) continue; // bytes are sealed, and may be exported so
            // Made from the tenant's own data, or at random: as telling as an id.
            if (/sha256$|^hash$|^public_id$/.test(column)) tenant.needles.add(value);
            if (/(^|_)(name|alias|domain|public_id)$/.test(column) && value.includes(canary)) texts.add(value);
            if (/_hash$|hmac|sealed|wrapped|secret/.test(column)) tenant.secrets.add(value);
          }
        }
      }
      tenant.texts = [...texts];
      tenant.emails = [...new Set(Object.values(found).flat().flatMap((row) => (typeof row['email'] === 'string' ? [row['email']] : [])))];
      const domains = found['domain_claims']!.map((row) => row['domain']);
      tenant.managed = [...found['tenants']!.flatMap((row) => Object.values(row)), ...domains].filter((value) => typeof value === 'string');
      tenant.slugs = found['tenants']!.map((row) => String(row['slug']));
      idsByPrefix.clear();
      for (const id of [...ids].sort()) {
        const prefix = id.slice(0, 3);
        idsByPrefix.set(prefix, [...(idsByPrefix.get(prefix) ?? []), id]);
        tenant.needles.add(id);
      }
    },
  };
  await tenant.refresh(inspection);
  void dataset;
  void submitted;
  return tenant;
}

let strangers = 0;

/** Names of the same shape that nobody has. */
export function namesOfNobody(): Names {
  const number = String(++strangers);
  const nobody = `zznobody${number}`;
  return {
    ids: (prefix) => [`${prefix}_${'0123456789abcdefghjkmnpqrs'.slice(0, 26 - number.length)}${number}`],
    texts: [`name-${nobody}`],
    emails: [`somebody@${nobody}.test`],
    slugs: [`${nobody}-0000`],
  };
}

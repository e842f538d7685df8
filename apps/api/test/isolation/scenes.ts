import { createHmac } from 'node:crypto';
import { encodePng } from '@millrace/images';
import { type IdentityProvider, zipOf } from '@millrace/testkit';
import { password } from '../api-world.ts';
import { addAsyncPredictions } from '../async-predictions.ts';
import type { Asker, Matrix } from './matrix.ts';
import type { TwoTenants } from './two-tenants.ts';

export interface Stage {
  two: TwoTenants;
  matrix: Matrix;
  idp: IdentityProvider;
  /** the owner of Acme, and how it is noted what they get to see */
  owner: Asker;
}

type Outcome = Record<string, any>; // eslint-disable-line @typescript-eslint/no-explicit-any

/** What happens in a scene. All fields of what comes of it are asked for, and count as covered. */
function onStage({ two, matrix, owner }: Stage) {
  async function ask(root: 'query' | 'mutation', field: string, variables: Record<string, unknown>, credential?: string): Promise<Outcome> {
    const answer = await matrix.ask(owner, credential, matrix.operations.whole(root, field), variables);
    matrix.noteAnswered(root, answer);
    return answer.data?.[field] ?? {};
  }
  const change = (field: string, input: object | null, credential?: string): Promise<Outcome> => ask('mutation', field, input ? { input } : {}, credential);
  const anOwner = async (): Promise<string> => (await two.member(two.acme, 'OWNER')).token;
  return {
    ask,
    change,
    anOwner,
    operator: async (): Promise<string> => (await two.operator()).token,
    async invite(email: string): Promise<string> {
      const { token } = await change('inviteMember', { email, role: 'VIEWER' }, await anOwner());
      return token;
    },
    signIn: (email: string, code?: string): Promise<Outcome> => change('signIn', { email, password, ...(code ? { code } : {}) }),
    canary: two.acme.marks.canary,
    acme: two.acme,
    inspection: two.inspection,
    world: two.world,
  };
}

/**
 * Short stories that lead to what a single operation with one's own names does not: a token that another has made, a
 * state that something must be in.
 */
export const scenes: Record<string, (stage: Stage) => Promise<void>> = {
  async 'an invitation'(stage) {
    const { ask, change, invite, canary } = onStage(stage);
    const token = await invite(`guest@${canary}.test`);
    await ask('query', 'invitation', { token });
    await change('acceptInvitation', { token, name: `Guest ${canary}`, password });
  },

  async 'a second factor, and an invitation of somebody who has one'(stage) {
    const { change, invite, signIn, acme } = onStage(stage);
    const member = await stage.two.member(acme, 'VIEWER');
    const { secret } = await change('beginSecondFactor', { password }, member.token);
    const { recoveryCodes } = await change('confirmSecondFactor', { code: codeOf(secret) }, member.token);
    await signIn(member.email); // asks for the code
    const again = (await stage.two.auth.signIn(member.email, password, {}, recoveryCodes[0])) as { accessToken: string };
    await stage.two.inspection.query('DELETE FROM memberships WHERE person_id = $1', [member.actor.personId]);
    const token = await invite(member.email);
    await change('acceptInvitation', { token, name: 'x', password });
    const back = await signIn(member.email, recoveryCodes[1]);
    await change('removeSecondFactor', { password, code: recoveryCodes[2] }, back['accessToken'] ?? again.accessToken);
  },

  async 'a run that is paused and resumed, and where it stands'(stage) {
    const { ask, change, acme, inspection, anOwner } = onStage(stage);
    const owner = await anOwner();
    await inspection.query(`INSERT INTO workers (id, name, places, gpu, memory_mb) VALUES (gen_random_uuid(), 'w', 1000, false, 4096)`);
    await inspection.query(`UPDATE tenant_queues SET compute_seconds_per_month = 1e6, max_running = 100 WHERE tenant_id = $1`, [acme.tenantId]);
    await ask('query', 'trainingLimits', {}, owner);
    await change('pauseRun', { id: acme.runningRun }, owner); // asks its worker
    const [queued] = await inspection.query(`SELECT id FROM runs WHERE tenant_id = $1 AND status = 'QUEUED' AND device <> 'GPU' LIMIT 1`, [acme.tenantId]);
    const { id } = queued as { id: string };
    await ask('query', 'run', { id }, owner);
    await change('pauseRun', { id }, owner);
    await change('resumeRun', { id }, owner);
  },

  async 'limits of predictions: a plan’s, and one that an operator raises'(stage) {
    const { ask, change, acme, operator, anOwner } = onStage(stage);
    const token = await operator();
    await change('savePlan', { name: 'metered', limits: [], usage: [{ measure: 'ROWS', period: 'DAY', limit: 9, softLimit: 8 }] }, token);
    await ask('query', 'plans', {}, token);
    const { limit } = await change('setTenantUsageLimit', { tenantId: acme.tenantId, measure: 'ROWS', period: 'DAY', limit: 9 }, token);
    await change('raiseUsageLimit', { tenantId: acme.tenantId, limitId: limit.id, by: 1, until: new Date(Date.now() + 86_400_000).toISOString(), reason: 'a trial' }, token);
    await ask('query', 'usageLimits', {}, await anOwner());
  },

  async 'a forgotten password'(stage) {
    const { change, operator, acme } = onStage(stage);
    const { email } = await stage.two.member(acme, 'VIEWER');
    const { token } = await change('createPasswordReset', { email }, await operator());
    await change('resetPassword', { token, newPassword: `${password} and more` });
  },

  async 'too many attempts'(stage) {
    const { signIn, canary, inspection } = onStage(stage);
    const email = `guessed@${canary}.test`;
    await signIn(email);
    await inspection.query(`UPDATE sign_in_throttles SET locked_until = now() + interval '1 hour'`);
    await signIn(email);
    await inspection.query('DELETE FROM sign_in_throttles');
  },

  async 'a tenant’s life'(stage) {
    const { change, signIn, operator, canary } = onStage(stage);
    const { token, tenant } = await change('createTenant', { name: `Another of ${canary}`, ownerEmail: `boss@${canary}.test` }, await operator());
    const boss = await change('acceptInvitation', { token, name: 'Boss', password });
    await change('suspendTenant', { id: tenant.id, reason: 'unpaid bills' }, await operator());
    await change('resumeTenant', { id: tenant.id }, await operator());
    await change('scheduleTenantDeletion', { id: tenant.id, reason: 'closed for good' }, await operator());
    await change('restoreTenant', { id: tenant.id }, await operator());
    const back = await signIn(`boss@${canary}.test`);
    await change('deleteTenant', { confirm: tenant.slug, withoutExport: true }, back['accessToken'] ?? boss['accessToken']);
  },

  async 'an access grant'(stage) {
    const { ask, change, anOwner, operator, acme, canary } = onStage(stage);
    const reason = `to see what is wrong with ${canary}`;
    const { grant } = await change('takeAccessGrant', { tenantId: acme.tenantId, role: 'VIEWER', reason, hours: 1 }, await operator());
    await change('useAccessGrant', { id: grant.id }, await operator());
    await ask('query', 'operatorGrants', {}, await operator());
    await change('revokeAccessGrant', { id: grant.id }, await anOwner());
  },

  async 'a plan with no room'(stage) {
    const { ask, change, anOwner, operator, acme, canary, inspection } = onStage(stage);
    const name = 'a plan of the spec';
    await change('savePlan', { name, limits: [{ resource: 'ACTIVE_RUNS', limit: 1 }, { resource: 'STORAGE_BYTES', limit: 1 }] }, await operator());
    await ask('query', 'plans', {}, await operator());
    await change('setTenantPlan', { tenantId: acme.tenantId, planName: name }, await operator());
    const datasetVersionId = acme.ids('dsv')[0]!;
    await change('submitRun', { datasetVersionId, modelName: `another-${canary}`, spec: acme.spec }, await anOwner());
    await change('setTenantPlan', { tenantId: acme.tenantId }, await operator());
    await inspection.query('UPDATE quota_counters SET limit_value = 1000000000 WHERE tenant_id = $1', [acme.tenantId]);
  },

  async 'a version made smaller, and what was made of it'(stage) {
    const { ask, change, anOwner, acme, canary, inspection } = onStage(stage);
    const credential = await anOwner();
    // Its family is a mark, which suits nothing.
    const [version] = await inspection.query(`SELECT id, model_id FROM model_versions WHERE tenant_id = $1 AND number = 1 AND status = 'READY' AND run_id IS NOT NULL`, [acme.tenantId]);
    const { id: modelVersionId, model_id: modelId } = version as { id: string; model_id: string };
    await inspection.query(`UPDATE model_versions SET family = 'knn' WHERE id = $1`, [modelVersionId]);
    const optimised = await change('optimizeModel', { modelVersionId, target: 'LATENCY', maxLoss: 1, priority: 1, limits: { memoryMb: 512, minutes: 1 } }, credential);
    await change('compressModel', { modelVersionId, steps: [{ method: 'CONDENSE', keep: 0.5 }] }, credential);
    const [failed] = await inspection.query(`SELECT id FROM runs WHERE tenant_id = $1 AND status = 'FAILED' AND optimisation IS NOT NULL LIMIT 1`, [acme.tenantId]);
    for (const { id } of [optimised['run'], failed as { id: string }]) await ask('query', 'run', { id }, credential);
    await ask('query', 'model', { id: modelId }, credential);
    await inspection.query(`UPDATE model_versions SET family = $2 WHERE id = $1`, [modelVersionId, `family-${canary}`]);
  },

  async 'a file that is none'(stage) {
    const { change, anOwner, canary, world } = onStage(stage);
    const credential = await anOwner();
    const { upload } = await change('beginUpload', { filename: `file-${canary}.csv` }, credential);
    await world.put(credential, `/uploads/${upload.id}`, `${canary}\n"broken`);
    await change('createDataset', { name: `broken-${canary}`, uploadId: upload.id }, credential);
  },

  async 'a leak, and a type corrected'(stage) {
    const { change, anOwner, canary, world } = onStage(stage);
    const credential = await anOwner();
    const { upload } = await change('beginUpload', { filename: `leak-${canary}.csv` }, credential);
    const rows = Array.from({ length: 60 }, (_, i) => `${i},${i * 2}`);
    await world.put(credential, `/uploads/${upload.id}`, [`part-${canary},whole-${canary}`, ...rows].join('\n'));
    const { dataset, version } = await change('createDataset', { name: `leaky-${canary}`, uploadId: upload.id }, credential);
    const spec = { inputFeatures: [{ name: `part-${canary}`, type: 'number' }], outputFeatures: [{ name: `whole-${canary}`, type: 'number' }] };
    await change('submitRun', { datasetVersionId: version.id, modelName: `leaky-${canary}`, spec }, credential);
    // Below the root, an argument that must be given is filled in by nobody else.
    const text = `query Matrix($id: ID!, $target: String!) { dataset(id: $id) { __typename latestVersion { __typename targetReport(target: $target) {
      __typename rowsUsed associations { __typename column pearson spearman correlationRatio cramersV alone } leaks { __typename kind } warnings { __typename code } } } } }`;
    const report = { root: 'query' as const, field: 'dataset', name: 'DatasetVersion.targetReport', text, slots: [] };
    stage.matrix.noteAnswered('query', await stage.matrix.ask(stage.owner, credential, report, { id: dataset.id, target: `whole-${canary}` }));
    await change('correctColumnTypes', { datasetId: dataset.id, columnTypes: [{ name: `part-${canary}`, type: 'CATEGORY' }] }, credential);
  },

  async 'pictures'(stage) {
    const { change, anOwner, canary, world } = onStage(stage);
    const credential = await anOwner();
    const { upload } = await change('beginUpload', { filename: `pictures-${canary}.zip` }, credential);
    const pictures = Array.from({ length: 6 }, (_, i) => ({ name: `${i % 2 ? 'good' : 'bad'}-${canary}/${canary}-${i}.png`, bytes: encodePng({ width: 6, height: 4, channels: 1, data: new Uint8Array(24).fill(i * 40) }) }));
    await world.put(credential, `/uploads/${upload.id}`, new Uint8Array(zipOf([...pictures, { name: `good-${canary}/${canary}-broken.png`, bytes: Buffer.from('no picture') }])));
    const { dataset } = await change('createDataset', { name: `pictures-${canary}`, uploadId: upload.id }, credential);
    const text = `query Matrix($id: ID!) { dataset(id: $id) { __typename latestVersion { __typename
      columns { __typename images { __typename png jpeg grey minWidth maxWidth minHeight maxHeight sizeBytes duplicates brokenCount classes { __typename label count } broken { __typename path message } } }
      contactSheet { __typename label count images { __typename path dataUri } } } } }`;
    const look = { root: 'query' as const, field: 'dataset', name: 'DatasetVersion.contactSheet', text, slots: [] };
    stage.matrix.noteAnswered('query', await stage.matrix.ask(stage.owner, credential, look, { id: dataset.id }));
  },

  async 'an alias and an endpoint, removed'(stage) {
    const { change, anOwner, acme, canary } = onStage(stage);
    const credential = await anOwner();
    const modelId = acme.ids('mdl')[0]!;
    await change('setModelAlias', { modelId, alias: 'spare', versionNumber: 1 }, credential);
    await change('deleteModelAlias', { modelId, alias: 'spare' }, credential);
    await change('createEndpoint', { name: `spare-${canary}`, modelId, alias: 'champion' }, credential);
    await change('deleteEndpoint', { name: `spare-${canary}` }, credential);
  },

  async 'a rollout, and back'(stage) {
    const { change, ask, anOwner, canary } = onStage(stage);
    const credential = await anOwner();
    const endpointName = `endpoint-${canary}`;
    await change('rollBackEndpoint', { endpointName }, credential); // whatever is under way
    await change('setEndpointTraffic', { endpointName, traffic: [{ versionNumber: 1, percent: 50 }, { versionNumber: 3, percent: 50 }] }, credential);
    await change('startRollout', { endpointName, versionNumber: 3, rollbackOn: [{ metric: 'ERROR_RATE', threshold: 0.1 }] }, credential);
    await change('updateEndpointServing', { endpointName, idleSeconds: 3600 }, credential);
    await change('rotateWebhookSecret', { overlapSeconds: 60 }, credential);
    await change('setEndpointWebhook', { endpointName, url: `https://${canary}.test/hook` }, credential);
    await ask('query', 'endpoint', { name: endpointName }, credential);
    await change('setEndpointWebhook', { endpointName, url: null }, credential); // nobody is there to be told
    await change('promoteRollout', { endpointName }, credential);
    await change('rollBackEndpoint', { endpointName }, credential);
  },

  async 'versions that are compared, judged, described and deleted, and files from elsewhere'(stage) {
    const { ask, change, anOwner, acme, canary } = onStage(stage);
    const credential = await anOwner();
    await acme.refresh(stage.two.inspection);
    const [modelId, [first, second]] = [acme.ids('mdl')[0]!, acme.ids('ver')];
    await ask('query', 'versionComparison', { leftId: first, rightId: second }, credential);
    await ask('query', 'modelLineage', { modelId }, credential);
    await change('reviewModelVersion', { versionId: first, verdict: 'APPROVED', comment: `fit ${canary}` }, credential);
    await change('saveModelPolicy', { modelId, approvalRequired: false, gate: { metric: 'f1', atMostWorse: 1 }, optimisedAtMostWorse: 0.5 }, credential);
    await change('describeModel', { modelId, description: `does ${canary}`, tags: [canary] }, credential);
    await change('describeModelVersion', { versionId: first, card: `# ${canary}`, tags: [canary] }, credential);
    await change('deleteModelVersion', { versionId: second }, credential);
    const { key } = await change('trustPackageKey', { name: `other-${canary}`, publicKey: 'D'.repeat(43) }, credential);
    await change('distrustPackageKey', { keyId: key.keyId }, credential);
    for (const uploadId of acme.ids('upl')) await change('importModel', { uploadId, modelName: `import-${canary}` }, credential);
  },

  async 'predictions made later, their webhooks and what signs them'(stage) {
    const { ask, change, anOwner, acme, canary, world } = onStage(stage);
    const credential = await anOwner();
    const { waiting, succeeded, failed, delivery, receiver } = await addAsyncPredictions(world.database.database, acme.owner.actor, `endpoint-${canary}`, canary);
    await acme.refresh(stage.two.inspection);
    for (const id of [succeeded, failed]) for (const name of ['asyncPrediction', 'asyncPredictionContent']) await ask('query', name, { id }, credential);
    await change('cancelAsyncPrediction', { id: waiting }, credential);
    await change('rotateWebhookSecret', { overlapSeconds: 60 }, credential);
    await change('resendWebhookDelivery', { id: delivery }, credential);
    await change('resumeWebhookReceiver', { receiver }, credential);
    for (const name of ['webhookSecrets', 'webhookDeliveries', 'failingWebhookReceivers', 'asyncPredictions']) await ask('query', name, {}, credential);
  },

  async 'single sign-on, and nothing else'(stage) {
    const { change, invite, signIn, anOwner, acme, canary, inspection } = onStage(stage);
    const credential = await anOwner();
    const { issuer, clientId, clientSecret } = stage.idp;
    await change('saveSsoConnection', { issuer, clientId, clientSecret, defaultRole: 'VIEWER', roleByGroup: [{ group: canary, role: 'VIEWER' }] }, credential);
    const domain = `sso-${canary}.test`;
    await change('claimDomain', { domain }, credential);
    await inspection.query('UPDATE domain_claims SET verified_at = now() WHERE domain = $1', [domain]);
    await inspection.query('UPDATE sso_connections SET required = true WHERE tenant_id = $1', [acme.tenantId]);
    const token = await invite(`sam@${domain}`);
    await change('acceptInvitation', { token, name: 'Sam', password });
    const email = `tom@${domain}`;
    await stage.two.auth.members.add({ tenantId: acme.tenantId, name: 'Tom', email, password, role: 'VIEWER' });
    await signIn(email);
    await change('removeSsoConnection', null, credential);
  },

  async 'a trail that somebody has changed'(stage) {
    const { ask, anOwner, acme, inspection } = onStage(stage);
    await inspection.query(`UPDATE audit_events SET action = 'nothing' WHERE id = (SELECT max(id) FROM audit_events WHERE tenant_id = $1)`, [acme.tenantId]);
    await ask('query', 'auditChain', {}, await anOwner());
  },
};

/** RFC 6238, by hand. */
function codeOf(secret: string): string {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';
  const bits = [...secret].map((letter) => alphabet.indexOf(letter).toString(2).padStart(5, '0')).join('');
  const key = Buffer.from(bits.match(/.{8}/g)!.map((byte) => parseInt(byte, 2)));
  const counter = Buffer.alloc(8);
  counter.writeBigUInt64BE(BigInt(Math.floor(Date.now() / 30_000)));
  const digest = createHmac('sha1', key).update(counter).digest();
  return String((digest.readUInt32BE(digest.at(-1)! & 15) & 0x7fffffff) % 1_000_000).padStart(6, '0');
}

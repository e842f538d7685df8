import { type Actor, actorName, recordAudit, requirePermission } from '@millrace/auth';
import { type Database, type Model, type ModelVersion, notify, Prisma, type TenantTx } from '@millrace/database';
import { newId, type Problem } from '@millrace/kernel';
import type { Quota } from '@millrace/quota';
import type { ArtefactStore } from '@millrace/storage';
import type { Gate } from './champion-gate.ts';
import { ofVersions, removeRecordingsInBatches, removeRecordingsOfVersions } from './remove-recordings.ts';

type Invalid = { type: 'invalid'; problems: Problem[] };
type NotFound = { type: 'not-found'; field: string; message: string };
export type ReviewOutcome = { type: 'reviewed'; version: ModelVersion } | Invalid | NotFound | { type: 'not-ready'; message: string };
export type SavePolicyOutcome = { type: 'saved'; model: Model; removed: number } | Invalid | NotFound;
export type DescribeOutcome<T> = { type: 'described'; subject: T } | Invalid | NotFound;
export type DeleteVersionOutcome = { type: 'deleted'; modelId: string; number: number } | NotFound | { type: 'in-use'; aliases: string[]; endpoints: string[] };

export interface ModelPolicy {
  modelId: string;
  approvalRequired: boolean;
  gate: Gate | null;
  /** points that an optimised version may be worse than the trained one that it comes from; null for any */
  optimisedAtMostWorse: number | null;
  /** so many versions without an alias are kept; null keeps all */
  keepVersions: number | null;
}

const longestComment = 2_000;
const longestCard = 64 * 1024;
const mostTags = 20;
const underWay = { status: 'RUNNING' } as const;
/** Characters that are seen as something else than they are, or not at all; line ends and tabs aside. */
const invisible = /[\p{Cs}\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f\u202a-\u202e\u2066-\u2069]/u;

/** What people say of models and versions: verdicts, rules, words, and which are kept. */
export function createModelCare({ database, storage, quota }: { database: Database; storage: ArtefactStore; quota: Quota }) {
  const versionWhere = (tenantId: string, id: string) => ({ where: { tenantId_id: { tenantId, id } } });

  /** The oldest that the model's policy does not keep, of those without an alias, a share of an endpoint’s traffic or a rollout that needs them. */
  async function tooMany(tx: TenantTx, tenantId: string, modelId: string): Promise<Pick<ModelVersion, 'id' | 'number' | 'packagePrefix'>[]> {
    const model = await tx.model.findUnique({ where: { tenantId_id: { tenantId, id: modelId } } });
    if (model?.keepVersions == null) return [];
    // What an endpoint goes back to by its last rollout: where it follows an alias of its own, nothing else names it.
    const fallbacks = await tx.rollout.findMany({ where: { tenantId, status: 'SUCCEEDED', endpoint: { modelId } }, distinct: ['endpointId'], orderBy: { id: 'desc' }, select: { previousVersionId: true } });
    const spared = fallbacks.map(({ previousVersionId }) => previousVersionId);
    return tx.modelVersion.findMany({ where: { tenantId, modelId, id: { notIn: spared }, aliases: { none: {} }, trafficShares: { none: {} }, rollouts: { none: underWay }, rolloutsAway: { none: underWay } }, orderBy: { number: 'desc' }, skip: model.keepVersions, take: 100, select: { id: true, number: true, packagePrefix: true } });
  }

  /** A version that may go, or why not. Holds its model's row, under which aliases move as well, so that none can come to point to it meanwhile. */
  async function deletable(tx: TenantTx, tenantId: string, versionId: string): Promise<{ type: 'free'; version: ModelVersion } | Exclude<DeleteVersionOutcome, { type: 'deleted' }>> {
    const version = await tx.modelVersion.findUnique(versionWhere(tenantId, versionId));
    if (!version) return versionNotFound;
    await tx.$queryRaw`SELECT id FROM models WHERE tenant_id = ${tenantId} AND id = ${version.modelId} FOR UPDATE`;
    const aliases = await tx.modelAlias.findMany({ where: { tenantId, modelId: version.modelId, versionId }, orderBy: { name: 'asc' } });
    const shares = await tx.trafficShare.findMany({ where: { tenantId, versionId }, include: { endpoint: true }, orderBy: { endpointId: 'asc' } });
    const rollouts = await tx.rollout.findMany({ where: { tenantId, ...underWay, OR: [{ versionId }, { previousVersionId: versionId }] }, include: { endpoint: true }, orderBy: { endpointId: 'asc' } });
    const endpoints = [...new Set([...shares, ...rollouts].map(({ endpoint }) => endpoint.name))];
    if (aliases.length || endpoints.length) return { type: 'in-use', aliases: aliases.map(({ name }) => name), endpoints };
    return { type: 'free', version };
  }

  /** Removes the versions that are too many, what was recorded of them first, in transactions of its own. */
  async function retainVersions(tenantId: string, modelId: string): Promise<number> {
    const planned = (await database.forTenant(tenantId).transaction((tx) => tooMany(tx, tenantId, modelId))).map(({ id }) => id);
    if (!planned.length) return 0;
    await removeRecordingsInBatches(database, tenantId, ofVersions(planned));
    const gone = await database.forTenant(tenantId).transaction(async (tx) => {
      await tx.$queryRaw`SELECT id FROM models WHERE tenant_id = ${tenantId} AND id = ${modelId} FOR UPDATE`;
      const model = await tx.model.findUnique({ where: { tenantId_id: { tenantId, id: modelId } } });
      const free = (await tooMany(tx, tenantId, modelId)).filter(({ id }) => planned.includes(id));
      if (!model || !free.length) return [];
      await removeRecordingsOfVersions(tx, tenantId, free.map(({ id }) => id));
      await tx.modelVersion.deleteMany({ where: { tenantId, id: { in: free.map(({ id }) => id) } } });
      for (const { id } of free) await quota.release(tx, tenantId, id, 'STORAGE_BYTES');
      const details = { model: model.name, keepVersions: model.keepVersions, versions: free.map(({ number }) => number) };
      await recordAudit(tx, { type: 'system', tenantId }, { action: 'version.retain', subject: modelId, details });
      await notify(tx, 'millrace_registry', tenantId);
      return free;
    });
    for (const { packagePrefix } of gone) await storage.removeAll(packagePrefix);
    return gone.length;
  }

  return {
    retainVersions,

    /** After a version was added: removes what is now too many of its model. */
    async retainBeside(tenantId: string, versionId: string): Promise<number> {
      const version = await database.forTenant(tenantId).transaction((tx) => tx.modelVersion.findUnique({ ...versionWhere(tenantId, versionId), include: { model: true } }));
      return version && version.model.keepVersions !== null ? retainVersions(tenantId, version.modelId) : 0;
    },

    /** Approves or rejects a version, with the scores that it has as evidence. What was said before stays in its reviews. */
    async review(actor: Actor, input: { versionId: string; verdict: 'APPROVED' | 'REJECTED'; comment: string }): Promise<ReviewOutcome> {
      requirePermission(actor, 'model:approve');
      const { tenantId } = actor;
      const comment = input.comment.normalize('NFC').trim();
      if (comment === '' || comment.length > longestComment || invisible.test(comment)) {
        return invalid('comment_unfit', 'comment', `The comment is empty, longer than ${longestComment} characters, or holds invisible characters.`, 'Say in a sentence why.');
      }
      return database.forTenant(tenantId).transaction(async (tx): Promise<ReviewOutcome> => {
        const version = await tx.modelVersion.findUnique(versionWhere(tenantId, input.versionId));
        if (!version) return versionNotFound;
        if (version.status !== 'READY') return { type: 'not-ready', message: 'Only a version that is READY can be approved or rejected.' };
        const evidence = { metrics: version.metrics ?? {}, agreement: version.agreement ?? {}, packageSha256: version.packageSha256 } as Prisma.InputJsonObject;
        await tx.versionReview.createMany({ data: [{ id: newId('versionReview'), tenantId, versionId: version.id, verdict: input.verdict, comment, evidence, reviewedBy: actorName(actor) }] });
        const updated = await tx.modelVersion.update({ ...versionWhere(tenantId, version.id), data: { approval: input.verdict } });
        await recordAudit(tx, actor, { action: 'version.review', subject: version.id, details: { modelId: version.modelId, version: version.number, verdict: input.verdict, comment } });
        return { type: 'reviewed', version: updated };
      });
    },

    /** What a champion must be, and how many versions are kept: those that are too many go at once. */
    async savePolicy(actor: Actor, { modelId, approvalRequired, gate, optimisedAtMostWorse, keepVersions }: ModelPolicy): Promise<SavePolicyOutcome> {
      requirePermission(actor, 'model:approve');
      const { tenantId } = actor;
      const problems: Problem[] = [];
      if (gate && !/^[A-Za-z][A-Za-z0-9_]{0,63}$/.test(gate.metric)) problems.push(problem('metric_unfit', 'gate.metric', 'This is no name of a score.', 'Name one as the metrics of a version do, such as f1 or rmse.'));
      if (gate && !Number.isFinite(gate.atMostWorse)) problems.push(problem('number_unfit', 'gate.atMostWorse', 'This is no number.', 'Say how much worse a champion may be, in the unit of the score.'));
      if (optimisedAtMostWorse !== null && !(optimisedAtMostWorse >= 0 && optimisedAtMostWorse <= 100)) problems.push(problem('number_unfit', 'optimisedAtMostWorse', 'This is no number of points from 0 to 100.', 'Say how many points worse an optimised version may be, such as 0.5, or leave it out to allow any.'));
      if (keepVersions !== null && (keepVersions < 1 || keepVersions > 10_000)) problems.push(problem('number_unfit', 'keepVersions', 'This is no number from 1 to 10000.', 'Say how many versions without an alias are kept, or leave it out to keep all.'));
      if (problems.length) return { type: 'invalid', problems };
      const model = await database.forTenant(tenantId).transaction(async (tx) => {
        const found = await tx.model.findUnique({ where: { tenantId_id: { tenantId, id: modelId } } });
        if (!found) return null;
        const data = { approvalRequired, gate: gate ? { metric: gate.metric, atMostWorse: gate.atMostWorse } : Prisma.DbNull, optimisedAtMostWorse, keepVersions };
        await recordAudit(tx, actor, { action: 'model.save_policy', subject: modelId, details: { approvalRequired, gate: gate ? { ...gate } : null, optimisedAtMostWorse, keepVersions } });
        return tx.model.update({ where: { tenantId_id: { tenantId, id: modelId } }, data });
      });
      if (!model) return modelNotFound;
      return { type: 'saved', model, removed: await retainVersions(tenantId, modelId) };
    },

    /** What is left out stays as it is. */
    async describeModel(actor: Actor, input: { modelId: string; description?: string | null | undefined; tags?: readonly string[] | null | undefined }): Promise<DescribeOutcome<Model>> {
      requirePermission(actor, 'model:write');
      const { tenantId } = actor;
      const tags = input.tags ? readTags(input.tags) : null;
      const problems = tags && 'problem' in tags ? [tags.problem] : [];
      const description = input.description?.normalize('NFC').trim();
      if (description !== undefined && (description.length > longestComment || invisible.test(description))) {
        problems.push(problem('text_unfit', 'description', `The description is longer than ${longestComment} characters, or holds invisible ones.`, 'Shorten it.'));
      }
      if (problems.length) return { type: 'invalid', problems };
      return database.forTenant(tenantId).transaction(async (tx): Promise<DescribeOutcome<Model>> => {
        const where = { tenantId_id: { tenantId, id: input.modelId } };
        if (!(await tx.model.findUnique({ where }))) return modelNotFound;
        const data = { ...(description === undefined ? {} : { description }), ...(tags && 'tags' in tags ? { tags: tags.tags } : {}) };
        await recordAudit(tx, actor, { action: 'model.describe', subject: input.modelId, details: { ...data } });
        return { type: 'described', subject: await tx.model.update({ where, data }) };
      });
    },

    /** What is left out stays as it is; a card of nothing is generated again from what is known. */
    async describeVersion(actor: Actor, input: { versionId: string; tags?: readonly string[] | null | undefined; card?: string | null | undefined }): Promise<DescribeOutcome<ModelVersion>> {
      requirePermission(actor, 'model:write');
      const { tenantId } = actor;
      const tags = input.tags ? readTags(input.tags) : null;
      const problems = tags && 'problem' in tags ? [tags.problem] : [];
      const card = input.card?.normalize('NFC').replace(/\r\n?/g, '\n').trimEnd();
      if (card !== undefined && (Buffer.byteLength(card) > longestCard || invisible.test(card))) {
        problems.push(problem('text_unfit', 'card', `The card has more than ${longestCard} bytes, or holds invisible characters.`, 'Shorten it; write plain Markdown.'));
      }
      if (problems.length) return { type: 'invalid', problems };
      return database.forTenant(tenantId).transaction(async (tx): Promise<DescribeOutcome<ModelVersion>> => {
        const where = versionWhere(tenantId, input.versionId);
        if (!(await tx.modelVersion.findUnique(where))) return versionNotFound;
        const data = { ...(card === undefined ? {} : { card: card === '' ? null : card }), ...(tags && 'tags' in tags ? { tags: tags.tags } : {}) };
        const details = { ...(tags && 'tags' in tags ? { tags: tags.tags } : {}), ...(card === undefined ? {} : { cardBytes: Buffer.byteLength(card) }) };
        await recordAudit(tx, actor, { action: 'version.describe', subject: input.versionId, details });
        return { type: 'described', subject: await tx.modelVersion.update({ ...where, data }) };
      });
    },

    /** Deletes a version and its package for good. One that an alias points to or an endpoint gives a share, and so one that is served, stays. What was recorded of it goes first, in transactions of its own. */
    async deleteVersion(actor: Actor, versionId: string): Promise<DeleteVersionOutcome> {
      requirePermission(actor, 'model:write');
      const { tenantId } = actor;
      const found = await database.forTenant(tenantId).transaction((tx) => deletable(tx, tenantId, versionId));
      if (found.type !== 'free') return found;
      await removeRecordingsInBatches(database, tenantId, ofVersions([versionId]));
      const outcome = await database.forTenant(tenantId).transaction(async (tx) => {
        const stillThere = await deletable(tx, tenantId, versionId);
        if (stillThere.type !== 'free') return stillThere;
        const { version } = stillThere;
        await removeRecordingsOfVersions(tx, tenantId, [versionId]);
        await tx.modelVersion.deleteMany({ where: { tenantId, id: versionId } });
        await quota.release(tx, tenantId, versionId, 'STORAGE_BYTES');
        const details = { modelId: version.modelId, version: version.number, packageSha256: version.packageSha256, runId: version.runId };
        await recordAudit(tx, actor, { action: 'version.delete', subject: versionId, details });
        await notify(tx, 'millrace_registry', tenantId);
        return { type: 'deleted' as const, modelId: version.modelId, number: version.number, packagePrefix: version.packagePrefix };
      });
      if (outcome.type !== 'deleted') return outcome;
      const { packagePrefix, ...deleted } = outcome;
      await storage.removeAll(packagePrefix);
      return deleted;
    },
  };
}

const problem = (code: string, field: string, message: string, remedy: string): Problem => ({ code, field, message, remedy });
const invalid = (...parts: Parameters<typeof problem>): Invalid => ({ type: 'invalid', problems: [problem(...parts)] });
const versionNotFound: NotFound = { type: 'not-found', field: 'versionId', message: 'There is no such version of a model.' };
const modelNotFound: NotFound = { type: 'not-found', field: 'modelId', message: 'There is no model with this id.' };

/** Sorted, each once. */
function readTags(given: readonly string[]): { tags: string[] } | { problem: Problem } {
  const tags = [...new Set(given.map((tag) => tag.normalize('NFC').trim()))].sort();
  const unfit = tags.find((tag) => !/^[\p{L}\p{N}][\p{L}\p{N}._:=/@ -]{0,62}$/u.test(tag));
  if (unfit === undefined && tags.length <= mostTags) return { tags };
  return { problem: problem('tags_unfit', 'tags', unfit === undefined ? `These are more than ${mostTags} tags.` : `"${unfit.slice(0, 40)}" is no tag.`, 'Use 1 to 63 letters, digits, spaces or one of . _ : = / @ -, such as line=press-2.') };
}

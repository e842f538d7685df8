import type { Model, ModelVersion, TenantTx } from '@millrace/database';
import { lossTooGreat, optimisationOf } from './version-optimisation.ts';

/** How much worse than the champion its successor may be, on one of the scores. */
export interface Gate {
  metric: string;
  /** in the unit of the score; below 0 asks for an improvement */
  atMostWorse: number;
}

export type GateRefusal =
  | { type: 'not-approved'; message: string }
  /** `previous` is the champion's score */
  | { type: 'gate-closed'; message: string };

/** What new versions of a model are held to, as far as a run must know it. */
export interface GateForVersions {
  /** points that an optimised version may lose; null for any */
  optimisedAtMostWorse: number | null;
  /** what the successor of the champion is compared with; null where there is no gate, no champion or no such score */
  champion: (Gate & { score: number; isError: boolean }) | null;
}

/** Null of a model that is not there yet. */
export async function findGate(tx: TenantTx, tenantId: string, modelName: string): Promise<GateForVersions | null> {
  const model = await tx.model.findUnique({ where: { tenantId_name: { tenantId, name: modelName } } });
  if (!model) return null;
  const { optimisedAtMostWorse } = model;
  const gate = model.gate as Gate | null;
  const champion = gate && (await tx.modelAlias.findUnique({ where: { tenantId_modelId_name: { tenantId, modelId: model.id, name: championAlias } }, include: { version: true } }));
  const score = gate && champion ? scoreOf(champion.version, gate.metric) : null;
  return { optimisedAtMostWorse, champion: gate && score !== null ? { ...gate, score, isError: isError(gate.metric) } : null };
}

/** Scores of which less is better; of all others more is. As the metrics of a version name them. */
const errors = new Set(['rmse', 'mae', 'mape', 'smape', 'mase', 'pinball', 'logLoss', 'brierScore', 'brier', 'loss', 'intervalWidth', 'integratedBrier', 'maeObserved', 'massVolume', 'cost']);

export const isError = (metric: string): boolean => errors.has(metric);

/** The alias that rules are about: what is in service. */
export const championAlias = 'champion';

/** What keeps a version from becoming champion; null when nothing does. A model's first champion is held to no other, an optimised one to what it was made from. */
export async function whatKeepsFromChampion(tx: TenantTx, model: Model, version: ModelVersion): Promise<GateRefusal | null> {
  if (model.approvalRequired && version.approval !== 'APPROVED') {
    const said = version.approval === 'REJECTED' ? 'was rejected' : 'is not approved yet';
    return { type: 'not-approved', message: `Version ${version.number} ${said}, and only an approved version of ${model.name} may be champion.` };
  }
  const gate = model.gate as Gate | null;
  const tooGreat = lossTooGreat(model, version);
  if (!gate && tooGreat === null) return null;
  const { tenantId } = model;
  const champion = await tx.modelAlias.findUnique({ where: { tenantId_modelId_name: { tenantId, modelId: model.id, name: championAlias } }, include: { version: true } });
  if (champion?.versionId === version.id) return null;
  // Against what it was made from, so also where there is no champion yet.
  if (tooGreat !== null) return { type: 'gate-closed', message: tooGreat };
  if (!gate || !champion) return null;
  // What an optimised version was made from was measured beside it, on the same rows, which may be half of those that its own scores are of.
  const made = optimisationOf(version);
  const beside = made?.parent.id === champion.versionId && made.metric === gate.metric && made.parentScore !== null ? made : null;
  const before = beside ? beside.parentScore : scoreOf(champion.version, gate.metric);
  const now = beside?.score ?? scoreOf(version, gate.metric);
  if (before === null) return null; // nothing to be worse than
  if (now === null) return { type: 'gate-closed', message: `Version ${version.number} has no score ${gate.metric}, which the gate of ${model.name} asks for.` };
  const worse = isError(gate.metric) ? now - before : before - now;
  if (worse <= gate.atMostWorse + 1e-12) return null;
  return {
    type: 'gate-closed',
    message: `Version ${version.number} has ${gate.metric} ${now}, the champion ${before}${beside ? ' on the same rows' : ''}: that is ${Number(worse.toPrecision(6))} worse, and at most ${gate.atMostWorse} is allowed.`,
  };
}

/** A number among the scores of a version; null when there is none of this name. */
export function scoreOf({ metrics }: Pick<ModelVersion, 'metrics'>, metric: string): number | null {
  const value = typeof metrics === 'object' && metrics !== null && !Array.isArray(metrics) && Object.hasOwn(metrics, metric) ? metrics[metric] : null;
  return typeof value === 'number' && Number.isFinite(value) ? value : null;
}

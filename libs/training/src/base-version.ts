import type { TrainingSpec } from '@millrace/configuration';
import type { ModelVersion, TenantTx } from '@millrace/database';
import type { Problem } from '@millrace/kernel';

type BaseVersion = Pick<ModelVersion, 'id' | 'number' | 'packagePrefix' | 'packageSha256'>;

/** What a signature says of the picture that its model looks at. */
interface PictureInput {
  type: string;
  width: number;
  channels: number;
}

/**
 * Finds the versions that models of a configuration are to begin with, and names them by number from then on: an alias may
 * move before the run begins. Changes the configuration; problems are those of the names and of what does not fit.
 */
export async function pinBases(tx: TenantTx, tenantId: string, spec: TrainingSpec): Promise<Problem[]> {
  const problems: Problem[] = [];
  for (const [index, model] of spec.models.entries()) {
    if (model.family !== 'convolutional' || !model.base) continue;
    const field = `spec.models[${index}]`;
    const { base } = model;
    const refuse = (at: string, message: string, remedy: string): void => void problems.push({ code: 'base_unfit', field: `${field}.${at}`, message, remedy });
    const found = await tx.model.findUnique({ where: { tenantId_name: { tenantId, name: base.model } } });
    if (!found) {
      refuse('base.model', `There is no model "${base.model}".`, 'Give the name of one of your models.');
      continue;
    }
    const alias = base.alias ?? 'champion';
    const version = base.version === undefined
      ? (await tx.modelAlias.findUnique({ where: { tenantId_modelId_name: { tenantId, modelId: found.id, name: alias } }, include: { version: true } }))?.version
      : await tx.modelVersion.findUnique({ where: { tenantId_modelId_number: { tenantId, modelId: found.id, number: base.version } } });
    if (!version || version.status !== 'READY') {
      const which = base.version === undefined ? `alias "${alias}"` : `version ${base.version} that is ready`;
      refuse(base.version === undefined ? 'base.alias' : 'base.version', `The model "${base.model}" has no ${which}.`, 'Give the number of a version that is ready, or an alias of one.');
      continue;
    }
    const picture = (version.signature as unknown as { inputs: PictureInput[] }).inputs.find(({ type }) => type === 'image');
    if (version.family !== 'convolutional' || !picture) {
      refuse('base.model', `Version ${version.number} of "${base.model}" is no convolutional network.`, 'Choose a version of that family.');
      continue;
    }
    if (model.imageSize < picture.width) refuse('imageSize', `The base looks at ${picture.width} pixels; ${model.imageSize} are too few for its filters.`, `Give at least ${picture.width}.`);
    if (model.colour !== 'auto' && (model.colour === 'colour') !== (picture.channels === 3)) {
      refuse('colour', `The base looks at pictures ${picture.channels === 3 ? 'in colour' : 'in grey'}.`, 'Leave it auto.');
    }
    model.base = { model: base.model, version: version.number, freezeEpochs: base.freezeEpochs };
  }
  return problems;
}

/** By the place of each model: the version that it begins with, null for those that begin anew. */
export async function findBases(tx: TenantTx, tenantId: string, spec: TrainingSpec): Promise<(BaseVersion | null)[]> {
  const bases: (BaseVersion | null)[] = [];
  for (const model of spec.models ?? []) {
    const base = model.family === 'convolutional' ? model.base : undefined;
    bases.push(base ? await tx.modelVersion.findFirst({ where: { tenantId, number: base.version!, model: { name: base.model } }, select: { id: true, number: true, packagePrefix: true, packageSha256: true } }) : null);
  }
  return bases;
}

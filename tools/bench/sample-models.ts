import { readFile } from 'node:fs/promises';
import type { PersonActor } from '@millrace/auth';
import { newId } from '@millrace/kernel';
import { agree, buildPackage, type FittedFeature, type FittedPipeline, type FittedTarget, type ModelPackage } from '@millrace/packaging';
import { sampleData, type TenantInWorld, type World } from '@millrace/testkit';

export interface Flower {
  features: number[];
  species: string;
}

export async function readIris(): Promise<Flower[]> {
  const lines = (await readFile(sampleData('iris'), 'utf8')).trim().split(/\r?\n/).slice(1);
  return lines.map((line) => {
    const cells = line.split(',');
    return { features: cells.slice(0, 4).map(Number), species: cells[4]! };
  });
}

function describe(flowers: Flower[]): { features: (FittedFeature & { type: 'number' })[]; target: FittedTarget & { classes: string[] } } {
  const features = ['sepal length', 'sepal width', 'petal length', 'petal width'].map((name, index) => {
    const values = flowers.map((flower) => flower.features[index]!);
    const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
    const scale = Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length);
    return { name, type: 'number' as const, min: values.reduce((least, value) => Math.min(least, value), Infinity), max: values.reduce((most, value) => Math.max(most, value), -Infinity), mean, scale, fill: mean, missingAllowed: false };
  });
  return { features, target: { name: 'species', type: 'category', classes: [...new Set(flowers.map(({ species }) => species))].sort() } };
}

/** Nearest neighbours over all of iris. */
export function neighboursOf(flowers: Flower[]): FittedPipeline {
  const { features, target } = describe(flowers);
  const encoded = flowers.flatMap((flower) => flower.features.map((value, index) => (value - features[index]!.mean) / features[index]!.scale));
  const targets = Int32Array.from(flowers, ({ species }) => target.classes.indexOf(species));
  return { features, target, estimator: { family: 'knn', k: 3, weights: 'uniform', rows: Float64Array.from(encoded), width: 4, targets } };
}

/** A network of the size that iris gets, or of another. Its weights are any: how long it takes does not depend on them. */
export function denseOf(flowers: Flower[], hidden: readonly number[] = [32, 16]): FittedPipeline {
  const { features, target } = describe(flowers);
  const sizes = [4, ...hidden, target.classes.length];
  let state = 1;
  const weight = (): number => (state = (state * 48_271) % 2_147_483_647) / 2_147_483_647 - 0.5;
  const layers = sizes.slice(1).map((units, index) => {
    const inputs = sizes[index]!;
    const activation = index === sizes.length - 2 ? ('softmax' as const) : ('relu' as const);
    return { activation, inputs, units, kernel: Float32Array.from({ length: inputs * units }, weight), bias: Float32Array.from({ length: units }, weight) };
  });
  return { features, target, estimator: { family: 'dense', layers } };
}

/** Boosted trees of the size that iris gets: a hundred rounds of three trees with sixteen leaves, whose questions are any. */
export function treesOf(flowers: Flower[]): FittedPipeline {
  const { features, target } = describe(flowers);
  let state = 1;
  const unit = (): number => (state = (state * 48_271) % 2_147_483_647) / 2_147_483_647;
  const inner = 15;
  const nodes = [...Array(2 * inner + 1).keys()];
  const trees = Array.from({ length: 100 * target.classes.length }, () => {
    const feature = Int32Array.from(nodes, (node) => (node < inner ? Math.floor(unit() * features.length) : -1));
    return {
      feature,
      threshold: Float64Array.from(feature, (asked) => (asked < 0 ? 0 : features[asked]!.min + unit() * (features[asked]!.max - features[asked]!.min))),
      missingLeft: new Int32Array(nodes.length),
      left: Int32Array.from(nodes, (node) => (node < inner ? 2 * node + 1 : node - inner)),
      right: Int32Array.from(nodes, (node) => (node < inner ? 2 * node + 2 : 0)),
      sets: new Int32Array(),
      values: Float64Array.from({ length: inner + 1 }, () => (unit() - 0.5) / 10),
    };
  });
  return { features, target, estimator: { family: 'boosted_trees', outputs: target.classes.length, trees, codes: features.map(() => null) } };
}

/** Nearest neighbours among so many rows that the model takes most of the time of a request: half a millisecond with 300 copies. */
export const slowOf = (flowers: Flower[], copies: number): FittedPipeline =>
  neighboursOf(Array.from({ length: copies }, (_, copy) => flowers.map(({ features, species }, row) => ({ species, features: features.map((value, at) => value + ((copy * 7 + row * 13 + at) % 100) / 1000) }))).flat());

/** As `publish`, by the owner of a tenant, after a run on a data set of its own. */
export async function publishFor(world: World, tenant: TenantInWorld, name: string, pipeline: FittedPipeline): Promise<ModelPackage> {
  const dataset = await tenant.iris();
  return publish(world, tenant.owner.actor, name, pipeline, { datasetVersionId: dataset.id, runId: (await tenant.run(dataset, undefined, name)).id });
}

/** Registers the model as a finished run would, and publishes it under its name. */
export async function publish(
  world: World,
  actor: PersonActor,
  name: string,
  pipeline: FittedPipeline,
  origin: { datasetVersionId: string; runId: string },
): Promise<ModelPackage> {
  const modelPackage = buildPackage(pipeline, { metrics: {}, lineage: {} });
  const { tenantId } = actor;
  const versionId = newId('modelVersion');
  const same = [{ value: 0 }];
  const agreement = agree(same, same, { name: 'same', type: 'number', mean: 0, scale: 1 });
  await world.registry.storePackage(tenantId, versionId, modelPackage);
  await world.db.database.forTenant(tenantId).transaction((tx) =>
    world.registry.addVersion(tx, { tenantId, versionId, modelName: name, ...origin, modelPackage, metrics: {}, agreement }),
  );
  const outcome = await world.registry.publish(actor, { versionId, endpointName: name });
  if (outcome.type !== 'published') throw new Error(`the model was not published: ${outcome.type}`);
  return modelPackage;
}

import type { RecommendationModelSettings } from '@millrace/configuration';
import { type FittedRecommender, optimiseRecommender } from '@millrace/learning';
import { readRecommender } from '@millrace/packaging';
import { appraise } from './model-kind.ts';
import type { OptimisationGrounds } from './optimisation-run.ts';
import { lineageIn, type OptimisedSubject } from './optimised-subject.ts';
import { readRecommendationTable, recommenderKind } from './recommendation-run.ts';

/** A recommender of vectors. */
export async function recommenderSubject({ job, wanted, files, signal }: OptimisationGrounds): Promise<OptimisedSubject<FittedRecommender>> {
  const base = readRecommender(files);
  if (base.type === 'unreadable') return base;
  const { recommender } = base;
  const table = await readRecommendationTable(job);
  const { parameters = {} } = lineageIn(files);
  return {
    type: 'readable',
    kind: recommenderKind,
    family: recommender.family,
    familyOf: ({ family }) => family,
    optimise: (onEvent) => optimiseRecommender({ base: recommender, table, spec: job.spec, settings: settingsOf(job.spec.recommendation!.models, recommender.family, parameters), optimisation: wanted, signal, appraise: (one) => appraise(recommenderKind, one), onEvent }),
    lineage: { parameters },
  };
}

/** Which of the candidates of the configuration it was: those of one family differ by their parameters. */
function settingsOf(models: readonly RecommendationModelSettings[], family: string, parameters: object): RecommendationModelSettings {
  const sorted = (values: object) => JSON.stringify(Object.entries(values).sort(([a], [b]) => (a < b ? -1 : 1)));
  const own = models.filter((model) => model.family === family);
  return own.find(({ family: _family, ...settings }) => sorted(settings) === sorted(parameters)) ?? own[0]!;
}

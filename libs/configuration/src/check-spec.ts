import { checkAnomaly } from './anomaly.ts';
import { checkInputs, checkTarget } from './check-columns.ts';
import { checkCompression } from './check-compression.ts';
import { checkImages } from './check-images.ts';
import { checkSettings } from './check-settings.ts';
import { checkSplit } from './check-split.ts';
import type { ColumnSummary } from './column-summary.ts';
import { checkForecast } from './forecast.ts';
import { checkPersonalisation } from './personalisation.ts';
import { checkRecommendation } from './recommendation.ts';
import type { SpecProblem } from './spec-problem.ts';
import { checkSurvival } from './survival.ts';
import type { TrainingSpec } from './training-spec.ts';

/**
 * Checks a configuration against the columns it is meant for. Empty when nothing stands in the way; otherwise every
 * problem found, each with the field and the remedy. The trainer makes the same checks again on the data itself.
 */
export function checkSpecAgainstColumns(spec: TrainingSpec, columns: ColumnSummary[]): SpecProblem[] {
  const { personalisation, compress } = spec;
  const problems = personalisation ? [...checkTask(spec, columns), ...refusePictures(spec), ...checkPersonalisation({ ...spec, personalisation }, columns)] : checkTask(spec, columns);
  if (!compress) return problems;
  const kind = (['forecast', 'recommendation', 'survival', 'anomaly'] as const).find((block) => spec[block] !== undefined) ?? 'plain';
  const models: readonly { family: string }[] = kind === 'plain' ? spec.models : spec[kind]!.models;
  return [...problems, ...checkCompression({ compress, families: models.map(({ family }) => family), kind, hasHeads: personalisation !== undefined })];
}

function checkTask(spec: TrainingSpec, columns: ColumnSummary[]): SpecProblem[] {
  const { forecast, anomaly, survival, recommendation } = spec;
  if (forecast && anomaly) return [{ field: 'anomaly', message: 'A run forecasts or detects anomalies, not both.', remedy: 'Remove one of the two blocks.' }];
  if (survival && anomaly) return [{ field: 'anomaly', message: 'A run learns times or detects anomalies, not both.', remedy: 'Remove one of the two blocks.' }];
  if (recommendation && (forecast ?? survival ?? anomaly)) return [{ field: 'recommendation', message: 'A run that recommends does nothing else.', remedy: 'Keep one of the blocks.' }];
  if (recommendation) return checkRecommendation({ ...spec, recommendation }, columns);
  if (survival) return [...checkInputs(spec, columns), ...refusePictures(spec), ...checkSurvival({ ...spec, survival }, columns), ...checkSplit(spec, columns)];
  if (forecast) return [...checkInputs(spec, columns), ...refusePictures(spec), ...checkForecast({ ...spec, forecast }, columns)];
  if (anomaly) return [...checkInputs(spec, columns), ...refusePictures(spec), ...checkAnomaly({ ...spec, anomaly }, columns), ...checkSplit(spec, columns)];
  return [
    ...checkInputs(spec, columns),
    ...checkTarget(spec, columns),
    ...checkSettings(spec, columns),
    ...checkImages(spec, columns),
    ...checkSplit(spec, columns),
  ];
}

function refusePictures({ inputFeatures }: TrainingSpec): SpecProblem[] {
  return inputFeatures.flatMap(({ name, type }, index) =>
    type === 'image' ? [{ field: `inputFeatures[${index}].type`, message: `"${name}" holds pictures, which only a classification looks at.`, remedy: 'Leave it out.' }] : []);
}

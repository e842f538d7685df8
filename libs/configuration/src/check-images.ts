import type { ColumnSummary } from './column-summary.ts';
import type { SpecProblem } from './spec-problem.ts';
import { isSearch, readsImages, type TrainingSpec } from './training-spec.ts';

/** Bytes that all pictures may take while they are learned from. */
const mostPixelBytes = 2 ** 30;

/** What stands in the way of learning from pictures, or of a network for pictures learning from columns. */
export function checkImages(spec: TrainingSpec, columns: readonly ColumnSummary[]): SpecProblem[] {
  const problems: SpecProblem[] = [];
  const report = (field: string, message: string, remedy: string) => problems.push({ field, message, remedy });
  if (!readsImages(spec)) {
    spec.models.forEach(({ family }, index) => {
      if (family === 'convolutional') report(`models[${index}].family`, 'A convolutional network learns from pictures, and no input is one.', 'Choose another family, or a data set of pictures.');
    });
    return problems;
  }
  if (spec.inputFeatures.length > 1) report('inputFeatures', 'A model that looks at a picture looks at nothing else.', 'Leave the picture as the only input.');
  if (spec.outputFeatures[0]!.type === 'number') report('outputFeatures[0].type', 'From pictures, classes are learned, not quantities.', 'Use type "category" or "binary".');
  if (isSearch(spec)) report('selection', 'A search does not try networks for pictures.', 'Remove the time limit and the number of trials, and name the models.');
  const rows = columns.find(({ name }) => name === spec.inputFeatures[0]!.name)?.rows ?? 0;
  spec.models.forEach((model, index) => {
    const field = `models[${index}]`;
    if (model.family === 'baseline') return;
    if (model.family !== 'convolutional') return report(`${field}.family`, `The family ${model.family} does not learn from pictures.`, 'Give convolutional or baseline.');
    const { imageSize, blocks, base } = model;
    if (base?.version !== undefined && base.alias !== undefined) report(`${field}.base.alias`, 'A version and an alias are given at once.', 'Remove one of the two.');
    if (!base && imageSize < 2 ** blocks) report(`${field}.blocks`, `${blocks} blocks halve ${imageSize} pixels to nothing.`, `Give at most ${Math.floor(Math.log2(imageSize))}, or larger pictures.`);
    if (rows * imageSize ** 2 * 3 > mostPixelBytes) {
      report(`${field}.imageSize`, `${rows} pictures of ${imageSize} × ${imageSize} pixels take more than ${mostPixelBytes / 2 ** 30} GB of memory.`, `Give at most ${Math.floor(Math.sqrt(mostPixelBytes / 3 / rows))}, or fewer pictures.`);
    }
  });
  return problems;
}

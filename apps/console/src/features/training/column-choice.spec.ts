import { canBeTarget, familiesFor, featuresOf, proposeChoices, proposeTarget, type TrainingColumn } from './column-choice.ts';

const column = (name: string, type: TrainingColumn['type'], flags: string[] = []) => ({ name, type, flags, distinct: 9, missing: 0, topValues: [] }) as unknown as TrainingColumn;
const pictures = [column('path', 'TEXT', ['identifier']), column('image', 'IMAGE'), column('label', 'CATEGORY')];
const families = ['baseline', 'dense', 'convolutional'].map((name) => ({ properties: { family: { const: name } } }));
const namesOf = (found: typeof families) => found.map(({ properties }) => properties.family.const);

it('of a data set of pictures the picture is learned from, the class is the target, and only networks for pictures are offered', () => {
  expect(proposeTarget(pictures)).toBe('label');
  expect(featuresOf(pictures, proposeChoices(pictures), 'label')).toEqual([{ name: 'image', type: 'image' }]);
  expect(pictures.map(canBeTarget)).toEqual([false, false, true]);
  expect(namesOf(familiesFor(families, pictures))).toEqual(['baseline', 'convolutional']);
});

it('a table without pictures is offered all other families', () => {
  expect(namesOf(familiesFor(families, [column('torque', 'NUMBER'), column('failure', 'BINARY')]))).toEqual(['baseline', 'dense']);
});

import { locateProblems } from './locate-problems.ts';

const text = `inputFeatures:
  - name: x
    type: number
  - name: gone
    type: number
models:
  - family: knn
    k: 900
`;
const problem = (field: string) => ({ field, message: 'It does not fit.', remedy: 'Mend it.' });
const lines = (input: unknown, ...fields: string[]) => locateProblems(input, fields.map(problem)).map(({ message }) => message);

it('names the line of what a problem is about, or of the nearest thing around it', () => {
  expect(lines(text, 'inputFeatures[1].name', 'models[0].k', 'models[0].weights', 'selection.costs')).toEqual([
    'Line 4: It does not fit.', 'Line 8: It does not fit.', 'Line 7: It does not fit.', 'It does not fit.',
  ]);
  expect(lines('{"models":\n [{"family": "knn",\n "k": 900}]}', 'models[0].k')).toEqual(['Line 3: It does not fit.']);
});

it('leaves the problems of an object, and of what is no YAML, as they are', () => {
  for (const input of [{ models: [] }, '{', null]) expect(lines(input, 'models[0].k')).toEqual(['It does not fit.']);
});

import { parseTrainingSpec } from './training-spec.ts';
import { writeTrainingYaml } from './training-yaml.ts';

const written = `
# what fails, and why
inputFeatures:
  - { name: "Torque [Nm]", type: number }
  - name: "no"
    type: category
outputFeatures:
  - name: Machine failure
    type: binary
    positiveClass: "1"
models:
  - family: knn
    k: 7
split: { seed: 4 }
`;

const problemsOf = (text: string) => {
  const parsed = parseTrainingSpec(text);
  return parsed.type === 'invalid' ? parsed.problems : [];
};

test('a text is read like the object that it stands for', () => {
  expect(parseTrainingSpec(written)).toEqual(
    parseTrainingSpec({
      inputFeatures: [{ name: 'Torque [Nm]', type: 'number' }, { name: 'no', type: 'category' }],
      outputFeatures: [{ name: 'Machine failure', type: 'binary', positiveClass: '1' }],
      models: [{ family: 'knn', k: 7 }],
      split: { seed: 4 },
    }),
  );
});

test('what is written is read as the same again', () => {
  const parsed = parseTrainingSpec(written);
  if (parsed.type === 'invalid') throw new Error(JSON.stringify(parsed.problems));
  const names = ['yes', '1e3', '007', '- a', 'a: b', '# c', '*d', "'", '"', '{', 'null', 'wärme °C', ' ', 'line\nbreak', '2026-01-02'];
  const spec = { ...parsed.spec, inputFeatures: names.map((name) => ({ name, type: 'number' as const })) };
  expect(parseTrainingSpec(writeTrainingYaml(spec))).toEqual({ type: 'valid', spec });
});

test('a problem names its line beside its field', () => {
  expect(problemsOf(written.replace('k: 7', 'k: seven'))).toMatchObject([{ field: 'models[0].k', message: expect.stringMatching(/^Line 13: /) }]);
  expect(problemsOf(written.replace('k: 7', 'kk: 7'))).toMatchObject([{ field: 'models[0].kk', message: expect.stringMatching(/^Line 12: /) }]);
  expect(problemsOf(`${written}\n  : [`)).toMatchObject([{ field: '(configuration)', message: expect.stringMatching(/^Line 16, column 6: /) }]);
});

test.each([
  ['nothing', ''],
  ['another kind of thing', '42'],
  ['two documents', `${written}\n---\n${written}`],
  ['a key twice', `${written}\nsplit: { seed: 5 }`],
  ['a key of the prototype', `${written}\n__proto__: { polluted: true }`],
  ['a tag that makes an object', `${written}\nselection: !!js/function "x"`],
  ['aliases that grow without end', `a: &a [1,1,1,1,1,1,1,1,1]\n${'bcdefgh'.split('').map((name, at) => `${name}: &${name} [${Array(9).fill(`*${'abcdefgh'[at]}`).join(',')}]`).join('\n')}`],
  ['an alias to nothing', `${written}\ntrainer: *nobody`],
  ['brackets without end', '['.repeat(100_000)],
  ['dashes without end', '- '.repeat(50_000)],
  ['question marks without end', '? '.repeat(50_000)],
  ['more text than a configuration', `# ${'x'.repeat(300_000)}\n${written}`],
])('%s is refused with a problem, and harms nobody', (_, text) => {
  const problems = problemsOf(text);
  expect(problems.length).toBeGreaterThan(0);
  for (const problem of problems) expect(problem).toEqual({ field: expect.any(String), message: expect.any(String), remedy: expect.any(String) });
  expect(({} as { polluted?: boolean }).polluted).toBeUndefined();
});

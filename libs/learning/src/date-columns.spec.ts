import { parseTrainingSpec, type TrainingSpec } from '@millrace/configuration';
import { selectBackend } from './backend.ts';
import { expandDates } from './date-columns.ts';
import { predict } from './predict.ts';
import type { Table } from './table.ts';
import { train } from './train.ts';

/** Every fifth hour over five months; more is drawn on Sundays and at night. One date is missing. */
const rows = 720;
const moments = Array.from({ length: rows }, (_, i) => new Date(Date.UTC(2026, 0, 1) + i * 5 * 3_600_000).toISOString());
const load = (iso: string): number => {
  const date = new Date(iso);
  return 10 + (date.getUTCDay() === 0 ? 40 : 0) + (date.getUTCHours() < 6 ? 20 : 0);
};
const table: Table = {
  rows,
  columns: [
    { name: 'when', type: 'date', values: moments.map((iso, i) => (i === 7 ? null : iso)) },
    { name: 'load', type: 'number', values: Float64Array.from(moments, load) },
  ],
};

function specOf(given: object = {}): TrainingSpec {
  const parsed = parseTrainingSpec({
    inputFeatures: [{ name: 'when', type: 'date' }], outputFeatures: [{ name: 'load', type: 'number' }], models: [{ family: 'boosted_trees', numIterations: 60, earlyStoppingRounds: 0 }], ...given,
  });
  if (parsed.type === 'invalid') throw new Error(JSON.stringify(parsed.problems));
  return parsed.spec;
}

async function trained(given: object = {}, of: Table = table) {
  const outcome = await train({ table: of, spec: specOf(given), backend: await selectBackend({ prefer: 'cpu' }) });
  if (outcome.type !== 'trained') throw new Error(JSON.stringify(outcome));
  return outcome.trials[outcome.best]!;
}

it('makes numbers of the parts that differ, and keeps the dates for a split', () => {
  const outcome = expandDates(table, specOf());
  if (outcome.type === 'invalid') throw new Error('invalid');
  expect(outcome.spec.inputFeatures).toEqual(['month', 'weekday', 'hour', 'day'].map((part) => ({ name: `when · ${part}`, type: 'number' })));
  const [when, , month, weekday, hour, day] = outcome.table.columns.map(({ values }) => values);
  expect([month, weekday, hour, day].map((values) => [values![0], values![1], values![7]])).toEqual([[1, 1, NaN], [3, 3, NaN], [0, 5, NaN], [20_454, 20_454, NaN]]);
  expect([when![0], when![7]]).toEqual([moments[0], null]);
  const days = moments.map((iso) => iso.slice(0, 10));
  const whole = expandDates({ rows, columns: [{ name: 'when', type: 'date', values: days }, table.columns[1]!] }, specOf());
  expect(whole.type === 'expanded' && whole.spec.inputFeatures.map(({ name }) => name)).toEqual(['when · month', 'when · weekday', 'when · day']);
});

it('refuses dates whose numbers would be called like another column', () => {
  const clashing: Table = { rows, columns: [...table.columns, { name: 'when · hour', type: 'number', values: new Float64Array(rows) }] };
  expect(expandDates(clashing, specOf())).toMatchObject({ type: 'invalid', problems: [{ field: 'inputFeatures[0].name', remedy: expect.stringMatching(/Rename/) }] });
});

it('learns seasons from dates, and answers a date as a table of dates', async () => {
  const { pipeline, metrics } = await trained({ split: { type: 'time', column: 'when' } });
  if (metrics.test.type !== 'regression') throw new Error('unexpected');
  expect(metrics.test.r2).toBeGreaterThan(0.95);
  expect(pipeline.features.map((feature) => feature.type === 'number' && feature.of)).toEqual(['month', 'weekday', 'hour', 'day'].map((part) => ({ column: 'when', part })));
  const asked = ['2026-04-05T03:00:00Z', '2026-04-06T12:00:00Z', null];
  const answers = await predict(pipeline, asked.map((when) => ({ when })));
  const [sundayNight, mondayNoon] = answers.map((answer) => ('value' in answer ? answer.value : NaN));
  expect(sundayNight).toBeCloseTo(70, -1);
  expect(mondayNoon).toBeCloseTo(10, -1);
  expect(await predict(pipeline, { rows: 3, columns: [{ name: 'when', type: 'date', values: asked }] })).toEqual(answers);
  await expect(predict(pipeline, [{ when: 20_000 }])).rejects.toThrow(/"when" must be a date/);
});

it('is asked of an input only, and only of a column of dates', async () => {
  const backend = await selectBackend({ prefer: 'cpu' });
  const problemsOf = async (inputType: string, of: Table) => {
    const outcome = await train({ table: of, spec: specOf({ inputFeatures: [{ name: 'when', type: inputType }] }), backend });
    return outcome.type === 'invalid' && outcome.problems.map(({ field }) => field);
  };
  expect(await problemsOf('category', table)).toEqual(['inputFeatures[0].type']);
  const words: Table = { rows, columns: [{ name: 'when', type: 'category', values: moments.map(() => 'a') }, table.columns[1]!] };
  expect(await problemsOf('date', words)).toEqual(['inputFeatures[0].type']);
});

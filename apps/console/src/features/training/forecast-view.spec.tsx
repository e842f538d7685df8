/** @jest-environment jsdom */
import { cleanup, fireEvent, render, screen, within } from '@testing-library/react';
import { EvaluationView, evaluationOf, headline } from './evaluation.tsx';
import { canForecast } from './forecast-form.tsx';
import { ForecastCard, forecastColumns } from './forecast-view.tsx';
import { coveredFeatures, KnownColumns, knowableColumns } from './known-columns.tsx';
import type { TrainingColumn } from './column-choice.ts';

afterEach(cleanup);

const scores = { type: 'forecasting', series: 2, origins: 30, points: 120, mase: 0.71, smape: 8, rmse: 12, mae: 9, coverage: 0.9, pinball: 1.5 };
const series = (name: string, size: number) => ({
  name,
  times: ['2026-03-30', '2026-03-31', '2026-04-01', '2026-04-02'].map((day) => `${day}T00:00:00.000Z`),
  actual: [size, 2 * size, null, null],
  backTest: [null, 1.5 * size, null, null],
  point: [null, null, 3 * size, 4 * size],
  lower: [null, null, 2 * size, 3 * size],
  upper: [null, null, 4 * size, 5 * size],
});
const metrics = { test: scores, chart: { series: [series('north', 10), series('south', 100)] }, warnings: ['Series "west" has only 3 values and is left out.'] };

it('says how good it is, beside the seasonal naive forecast', () => {
  expect(headline(scores)).toBe('MASE 0.71');
  render(<EvaluationView evaluation={evaluationOf(scores)!} baseline={evaluationOf({ ...scores, mase: 1.2 })} />);
  for (const text of ['0.71', 'baseline 1.2', '8 %', '90.0 %']) expect(screen.getByText(text)).toBeTruthy();
});

it('draws values, back-test, forecast and interval of the chosen series, with their figures for those who cannot see', () => {
  const { container } = render(<ForecastCard name="Naive" metrics={metrics} />);
  expect(screen.getByRole('img', { name: 'Values and forecast of north: 2 steps ahead' })).toBeTruthy();
  expect(screen.getByText(/"west" has only 3 values/)).toBeTruthy();
  expect([...container.querySelectorAll('path')].map((path) => path.getAttribute('d')!.match(/[ML]/g)!.join(''))).toEqual(['ML', 'M', 'ML']);
  expect(container.querySelector('polygon')!.getAttribute('points')!.split(' ')).toHaveLength(4);
  fireEvent.change(screen.getByLabelText('Series'), { target: { value: '1' } });
  const cells = within(screen.getByRole('table', { hidden: true })).getAllByRole('cell', { hidden: true }).map((cell) => cell.textContent);
  expect(cells.slice(-5)).toEqual(['–', '–', '400', '300', '500']);
});

it('puts coverage and pinball loss on the leaderboard of forecasts, and on no other', () => {
  const columns = forecastColumns<{ metrics: unknown }>([{ metrics }]);
  expect(columns.map(({ header, cell }) => [header, cell({ metrics })])).toEqual([['coverage', '90.0 %'], ['pinball', '1.5']]);
  expect(forecastColumns<{ metrics: unknown }>([{ metrics: { test: { type: 'regression' } } }, { metrics: null }])).toEqual([]);
});

it('says why nothing is drawn ahead where the steps to come lack what is known in advance', () => {
  const bare = { ...series('north', 10), point: [null, null, null, null], lower: [null, null, null, null], upper: [null, null, null, null] };
  render(<ForecastCard name="Lag trees" metrics={{ ...metrics, chart: { series: [bare] } }} />);
  expect(screen.getByText(/add rows without a target value/)).toBeTruthy();
});

describe('columns known in advance', () => {
  const column = (name: string, type: string, flags: string[] = []) => ({ name, type, flags }) as unknown as TrainingColumn;
  const columns = [column('day', 'DATE'), column('site', 'CATEGORY'), column('action', 'NUMBER', ['two_valued']), column('remark', 'TEXT'), column('heat', 'NUMBER'), column('visits', 'NUMBER')];

  it('are offered unless they have another part or cannot be learnt from, and none is chosen at first', () => {
    const knowable = knowableColumns(columns, ['visits', 'day', 'site']);
    expect(knowable.map(({ name }) => name)).toEqual(['action', 'heat']);
    const heard: string[][] = [];
    const onChosen = (names: string[]) => void heard.push(names);
    const problem = { field: 'inputFeatures', code: 'X', message: 'None looks at them.', remedy: 'Add lag_trees.', row: null };
    render(<KnownColumns columns={knowable} chosen={['heat']} problem={problem as never} onChosen={onChosen} />);
    expect(screen.getByRole('alert').textContent).toBe('None looks at them. Add lag_trees.');
    fireEvent.click(screen.getByLabelText('action'));
    fireEvent.click(screen.getByLabelText('heat'));
    expect(heard).toEqual([['heat', 'action'], []]);
  });

  it('are sent with the type that their values have', () => {
    expect(coveredFeatures(columns, ['heat', 'action'])).toEqual([{ name: 'action', type: 'binary' }, { name: 'heat', type: 'number' }]);
  });
});

it('is not there for a model of rows', () => {
  expect(render(<ForecastCard name="Dense network" metrics={{ test: {} }} />).container.innerHTML).toBe('');
});

it('is offered where there are times and numbers', () => {
  expect(canForecast([{ type: 'DATE' }, { type: 'NUMBER' }])).toBe(true);
  expect(canForecast([{ type: 'DATE' }, { type: 'CATEGORY' }])).toBe(false);
});

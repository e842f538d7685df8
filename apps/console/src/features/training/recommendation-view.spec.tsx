/** @jest-environment jsdom */
import { cleanup, fireEvent, render, screen, within } from '@testing-library/react';
import { EvaluationView, evaluationOf, headline } from './evaluation.tsx';
import { canRecommend } from './recommendation-form.tsx';
import { RecommendationCard } from './recommendation-view.tsx';

afterEach(cleanup);

const scores = { type: 'recommendation', users: 40, topN: 5, ndcg: 0.31, hitRate: 0.8, recallAtN: 0.45, mrr: 0.4, coverage: 0.9, rmse: null, mae: null };
const sample = ['m1', 'm2'].map((user, at) => ({
  user, had: ['belt'], heldOut: [`pump ${at}`], recommended: [{ item: `pump ${at}`, score: 2, isHit: true }, { item: 'valve', score: -1, isHit: false }],
}));

it('says how good the lists are, beside those of popularity', () => {
  expect(headline(scores)).toBe('NDCG@5 0.31');
  render(<EvaluationView evaluation={evaluationOf(scores)!} baseline={evaluationOf({ ...scores, ndcg: 0.1, hitRate: 0.25 })} />);
  for (const text of ['NDCG@5', '0.31', 'popularity 0.1', '80.0 %', 'popularity 25.0 %']) expect(screen.getByText(text)).toBeTruthy();
  expect(screen.queryByText('RMSE')).toBeNull();
});

it('and how far ratings are off, where there are some', () => {
  render(<EvaluationView evaluation={evaluationOf({ ...scores, rmse: 0.9, mae: 0.7 })!} baseline={null} />);
  expect(screen.getByText('RMSE').parentElement!.textContent).toContain('0.9');
});

it('shows what a user had, what came next, and what was recommended, with bars that begin at the lowest score', () => {
  render(<RecommendationCard name="Popularity" metrics={{ test: scores, sample, warnings: ['3 rows have no item and are left out.'] }} />);
  expect(screen.getByText(/3 rows have no item/)).toBeTruthy();
  const bars = () => within(screen.getByRole('list', { name: /^Recommended to/ })).getAllByRole('listitem');
  expect(bars().map((bar) => bar.textContent)).toEqual(['pump 02', 'valve-1']);
  expect([...bars()].map((bar) => bar.querySelector<HTMLElement>('[style]')!.style.width)).toEqual(['100%', '0%']);
  fireEvent.change(screen.getByLabelText('User'), { target: { value: '1' } });
  expect(screen.getByRole('list', { name: 'Recommended to m2: 1 of 2 are hits' })).toBeTruthy();
  expect(within(screen.getByRole('list', { name: 'Had next' })).getByText('pump 1')).toBeTruthy();
});

it('is not there for a model of rows', () => {
  expect(render(<RecommendationCard name="Dense network" metrics={{ test: {} }} />).container.innerHTML).toBe('');
});

it('is offered where two columns hold names', () => {
  expect(canRecommend([{ type: 'TEXT' }, { type: 'CATEGORY' }])).toBe(true);
  expect(canRecommend([{ type: 'CATEGORY' }, { type: 'NUMBER' }])).toBe(false);
});

/** @jest-environment jsdom */
import { cleanup, render, screen, within } from '@testing-library/react';
import { type ExplanationShown, ExplanationView, faithfulnessText } from './explanation-view.tsx';
import { ImportanceCard } from './importance-card.tsx';

afterEach(cleanup);

const shown: ExplanationShown = {
  __typename: 'Explanation', output: 'probabilities', class: 'worn', answer: 0.9, baseValue: 0.5, additivityError: 0, faithfulness: 0.95, faithfulnessReason: null, heatMap: null, warnings: [],
  attributions: [
    { __typename: 'Attribution', name: 'torque', value: -0.1, data: 7, standardError: 0.01 },
    { __typename: 'Attribution', name: 'grade', value: 0.5, data: null, standardError: 0 },
  ],
  method: { __typename: 'ExplanationMethod', name: 'permutation_sampling', evaluations: 1301, backgroundRows: 32, isExact: false, hasConverged: false },
};

it('leads from what is usual to the answer, the largest step first, and says how far it can be believed', () => {
  const { container } = render(<ExplanationView explained={{ explanation: shown, costUnits: 14 }} picture={null} />);
  const lines = within(screen.getByRole('list', { name: 'What adds up to the probability of “worn”' })).getAllByRole('listitem');
  expect(lines.map(({ textContent }) => textContent)).toEqual(['Usual0.5', 'grade = missing+0.5', 'torque = 7−0.1 ± 0.01', 'worn0.9']);
  const bars = [...container.querySelectorAll('rect')].map((bar) => [Number(bar.getAttribute('x')), Number(bar.getAttribute('width'))]);
  // From 0.5 (2) to 1.0 (98), and back to 0.9.
  expect(bars).toEqual([[2, 96], [expect.closeTo(78.8), expect.closeTo(19.2)]]);
  expect(screen.getByTestId('faithfulness').textContent).toContain('Faithfulness 0.95');
  expect(screen.getByText(/has not settled yet/)).toBeTruthy();
});

it('puts the heat map over the picture', () => {
  render(<ExplanationView explained={{ explanation: { ...shown, heatMap: [[1, -0.5], [0, 0.25]] }, costUnits: 14 }} picture="AQID" />);
  const map = screen.getByRole('img', { name: 'Which parts of the picture speak for the probability of “worn”' });
  expect([...map.querySelectorAll('rect')].map((part) => [part.getAttribute('fill-opacity'), part.getAttribute('class')])).toEqual([
    ['0.7', 'fill-accent-600'], ['0.35', 'fill-warn-700'], ['0', 'fill-accent-600'], ['0.175', 'fill-accent-600'],
  ]);
});

it('says what a score means, or why there is none', () => {
  expect(faithfulnessText({ faithfulness: 0.2, faithfulnessReason: null })).toContain('Read it with care');
  expect(faithfulnessText({ faithfulness: null, faithfulnessReason: 'There are only 2 inputs.' })).toBe('There is no score of this explanation. There are only 2 inputs.');
});

it('the importance of inputs is in order, and nothing where it was not measured', () => {
  const inputs = [{ name: 'x', increase: 0.1, standardError: 0.01 }, { name: 'y', increase: 2, standardError: 0.1 }];
  const { rerender, container } = render(<ImportanceCard number={3} metrics={{ importance: { measure: 'rmse', baseline: 1, rows: 120, repeats: 3, inputs } }} />);
  expect(screen.getAllByRole('listitem').map(({ textContent }) => textContent)).toEqual(['y2 ± 0.1', 'x0.1 ± 0.01']);
  rerender(<ImportanceCard number={3} metrics={{ type: 'regression' }} />);
  expect(container.innerHTML).toBe('');
});

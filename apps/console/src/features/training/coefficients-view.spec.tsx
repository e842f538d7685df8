/** @jest-environment jsdom */
import { cleanup, fireEvent, render, screen, within } from '@testing-library/react';
import { CoefficientsCard } from './coefficients-view.tsx';

afterEach(cleanup);

const outputOf = (label: string | null, weight: number) => ({
  label,
  intercept: 1,
  terms: [{ feature: 'x', value: null, weight, effect: 4 }, { feature: 'colour', value: 'red', weight: -2, effect: -2 }],
  more: 3,
});

const weights = () => within(screen.getByRole('list', { name: 'Weights of Linear' })).getAllByRole('listitem').map(({ textContent }) => textContent);

it('shows each weight in the unit of its column, the largest effect first, and what it does not mean', () => {
  render(<CoefficientsCard name="Linear" metrics={{ coefficients: { outputs: [outputOf(null, 0.25)] } }} />);
  expect(weights()).toEqual(['x0.25', 'colour = red-2']);
  expect(screen.getByText(/3 smaller weights are not shown/)).toBeTruthy();
  expect(screen.getByText(/no weight says what causes what/)).toBeTruthy();
  expect(screen.queryByLabelText('Class')).toBeNull();
});

it('shows the weights of one class at a time', () => {
  render(<CoefficientsCard name="Linear" metrics={{ coefficients: { outputs: [outputOf('a', 0.25), outputOf('b', 8)] } }} />);
  expect(weights()[0]).toBe('x0.25');
  fireEvent.change(screen.getByLabelText('Class'), { target: { value: '1' } });
  expect(weights()[0]).toBe('x8');
});

it('is nothing for other models', () => {
  const { container } = render(<CoefficientsCard name="Trees" metrics={{ test: {}, coefficients: null }} />);
  expect(container.innerHTML).toBe('');
});

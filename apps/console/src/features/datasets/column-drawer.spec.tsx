/** @jest-environment jsdom */
import { cleanup, render, screen, within } from '@testing-library/react';
import type { ColumnFieldsFragment } from '../../gql/graphql.ts';
import { ColumnDrawer } from './column-drawer.tsx';

afterEach(cleanup);
beforeAll(() => {
  // jsdom has no modal dialogs.
  HTMLDialogElement.prototype.showModal = function showModal() {
    this.open = true;
  };
});

const torque: ColumnFieldsFragment = {
  __typename: 'ColumnProfile', name: 'torque', type: 'NUMBER', missing: 5, distinct: 80, min: 3.8, max: 76.6, mean: 39.99, std: 9.97,
  quantiles: { p1: 16, p5: 23, p25: 33, p50: 40.1, p75: 47, p95: 56, p99: 63 },
  histogram: [{ __typename: 'HistogramBin', from: 0, to: 40, count: 30 }, { __typename: 'HistogramBin', from: 40, to: 80, count: 65 }],
  topValues: [], earliest: null, latest: null, flags: [], images: null,
  warnings: [{ __typename: 'ColumnWarning', code: 'outliers', field: 'torque', message: 'One value lies far off.', remedy: 'Look at this row.' }],
};

it('shows a column’s histogram, quantiles, gaps, and each warning with its remedy', () => {
  render(<ColumnDrawer column={torque} rowCount={100} onClose={() => undefined} />);
  const dialog = screen.getByRole('dialog', { name: 'Column torque' });
  const bars = within(dialog).getByRole('img', { name: /^Histogram of torque/ }).querySelectorAll('rect');
  expect([...bars].map((bar) => bar.textContent)).toEqual([expect.stringMatching(/: 30$/), expect.stringMatching(/: 65$/)]);
  expect(Number(bars[1]!.getAttribute('height')) / Number(bars[0]!.getAttribute('height'))).toBeCloseTo(65 / 30, 6);
  for (const text of ['One value lies far off.', 'Look at this row.', '40.1']) expect(within(dialog).getByText(text)).toBeTruthy();
  expect(dialog.textContent).toMatch(/Missing5 \(5(\.0)?\s?%\)/);
});

it('is shut without a column', () => {
  render(<ColumnDrawer column={null} rowCount={100} onClose={() => undefined} />);
  expect(screen.queryByRole('dialog')).toBeNull();
});

/** @jest-environment jsdom */
import { cleanup, fireEvent, render, screen, within } from '@testing-library/react';
import { frontierOf } from '../../design/trade-off.tsx';
import { stepsOf } from '../registry/optimise-dialog.tsx';
import { OptimisedCard, summaryOf } from '../registry/optimised-card.tsx';
import { compressionDraft, CompressionFields, compressionInput, compressionSchemaFor } from './compression-fields.tsx';
import { CompressionCards } from './compression-view.tsx';
import type { Trial } from './leaderboard.tsx';
import { OptimisationCards, stepsText } from './optimisation-view.tsx';

afterEach(cleanup);

const candidate = (number: number, steps: object[], size: number, ms: number, loss: number | null, more: object = {}): Trial =>
  ({
    __typename: 'Trial', number, family: 'dense', parameters: { steps }, scoreVal: null, scoreTest: 0.95, predTimeMsP50: ms, fitTimeSeconds: 1, sizeBytes: String(size), sizeGzBytes: String(size / 2), best: false,
    metrics: { optimisation: { loss: loss === null ? null : { loss, lower: loss - 0.5, upper: loss + 0.5, rows: 120 }, validationLoss: loss, reason: null, chosenOn: 'validation' } },
    ...more,
  }) as Trial;
const trials = [
  candidate(0, [], 80_000, 0.2, null),
  candidate(1, [{ method: 'quantise', to: 'int8' }], 20_000, 0.1, 0.2, { best: true }),
  candidate(2, [{ method: 'distil', units: [8, 4] }], 4_000, 0.05, 3.1),
];

describe('the candidates of an optimisation', () => {
  it('are drawn by what they cost and lose: the base, the chosen one, the limit, and the bars of those with an interval', () => {
    const asked: number[] = [];
    render(<OptimisationCards trials={trials} optimisation={{ target: 'SIZE', maxLoss: 0.5 }} chosen={1} onChoose={(number) => asked.push(number)} />);
    const picture = screen.getByRole('img', { name: /size of the package, 3 candidates/ });
    for (const text of ['Base', 'Chosen', 'at most 0.5 points worse', 'Points against the base']) expect(within(picture).getByText(text)).toBeTruthy();
    expect([...picture.querySelectorAll('title')].map(({ textContent }) => textContent)).toEqual(['Base: 80.0 kB, 0 points', 'Quantise (to int8): 20.0 kB, −0.2 points', 'Distil (units 8–4): 4.00 kB, −3.1 points']);
    // To the left is cheaper, up is better.
    const [chosen] = [...picture.querySelectorAll('circle')].filter((circle) => circle.getAttribute('r') === '7');
    const base = picture.querySelector('rect[width="10"]')!;
    expect(Number(chosen!.getAttribute('cx'))).toBeLessThan(Number(base.getAttribute('x')));
    expect(Number(chosen!.getAttribute('cy'))).toBeGreaterThan(Number(base.getAttribute('y')));

    fireEvent.change(screen.getByLabelText('Compare by'), { target: { value: 'latency' } });
    expect(screen.getByRole('img', { name: /median time/ })).toBeTruthy();
    fireEvent.click(screen.getByRole('button', { name: 'Distil (units 8–4)' }));
    expect(asked).toEqual([2]);
    expect(screen.getByText('−3.1 (−3.6 to −2.6)')).toBeTruthy();
    expect(screen.getByText('20.0 kB · 4.0× smaller')).toBeTruthy();
  });

  it('are all that is shown of a run that has only begun', () => {
    expect(render(<OptimisationCards trials={[]} optimisation={{ target: 'SIZE', maxLoss: 0.5 }} chosen={0} onChoose={() => undefined} />).container.innerHTML).toBe('');
  });

  it('leave a frontier of those that no other beats in both', () => {
    const points = [[8, 0], [2, 0.2], [1, 3], [3, 0.3], [9, -1], [2, 0.5]].map(([cost, loss]) => ({ cost: cost!, loss: loss! }));
    expect(frontierOf(points).map(({ cost, loss }) => [cost, loss])).toEqual([[1, 3], [2, 0.2], [8, 0], [9, -1]]);
  });
});

describe('a compression after the training', () => {
  const cost = (sizeBytes: number) => ({ sizeBytes, sizeGzBytes: sizeBytes / 2, predTimeMsP50: 0.1 });
  const compression = {
    steps: [{ method: 'quantise', to: 'int8' }], maxLoss: 0.5, loss: { loss: 0.2, lower: -0.4, upper: 0.9, rows: 120 }, bound: { atMost: 1.4 }, score: 0.94, uncompressedScore: 0.95, cost: cost(20_000), uncompressedCost: cost(80_000),
    warning: { message: 'The version is the uncompressed model. That is not certain enough.', remedy: 'Compress less.' },
  };

  it('is shown beside the uncompressed model, with the warning where it is not the version', () => {
    render(<CompressionCards trials={[trials[0]!, { ...trials[1]!, metrics: { compression } }]} />);
    for (const text of ['Compress less.', '80.0 kB → 20.0 kB · 4.0× smaller', '−0.20 (−0.90 to +0.40) on 120 rows', '1.4 points, where 0.5 are allowed']) expect(screen.getByText(text)).toBeTruthy();
    cleanup();
    const grown = { ...compression, cost: { ...cost(100_000), predTimeMsP50: 0.2 }, warning: null, findings: [{ code: 'LARGER_THAN_PARENT', message: 'It has 20000 bytes more.', remedy: 'Serve the other.' }] };
    render(<CompressionCards trials={[{ ...trials[1]!, metrics: { compression: grown } }]} />);
    for (const text of ['It has 20000 bytes more.', 'Serve the other.', '80.0 kB → 100 kB · 1.3× larger', '0.1 ms → 0.2 ms · 2.0× slower']) expect(screen.getByText(text)).toBeTruthy();
    cleanup();
    expect(render(<CompressionCards trials={trials} />).container.innerHTML).toBe('');
  });

  it('is left out of the configuration where nothing is filled in', () => {
    const schema = { properties: { compress: { properties: { targetSparsity: { type: 'number' }, quantize: { type: 'string', enum: ['float16', 'int8_static'] }, maxLoss: { type: 'number', title: 'Greatest loss' } } } } };
    let draft = compressionDraft(schema);
    expect(compressionInput(schema, draft)).toEqual({});
    const show = () => render(<CompressionFields schema={schema} draft={draft} problemAt={() => null} onDraft={(next) => (draft = next)} />);
    show();
    fireEvent.change(screen.getByLabelText('Quantise to'), { target: { value: 'float16' } });
    cleanup();
    show();
    fireEvent.change(screen.getByLabelText('Greatest loss'), { target: { value: '1' } });
    expect(compressionInput(schema, draft)).toEqual({ compress: { quantize: 'float16', maxLoss: 1 } });
    // Of other kinds of run only what their models take is offered.
    cleanup();
    render(<CompressionFields schema={compressionSchemaFor('survival', schema)} draft={draft} problemAt={() => null} onDraft={() => undefined} />);
    expect([...screen.getByLabelText<HTMLSelectElement>('Quantise to').options].map(({ value }) => value)).toEqual(['', 'float16']);
    expect(Object.keys(compressionSchemaFor('recommendation', schema).properties!['compress']!.properties!)).toEqual(['quantize', 'maxLoss']);
  });
});

it('a version made from another says what it gained and lost', () => {
  const optimisation = {
    __typename: 'VersionOptimisation', parentNumber: 3, originNumber: 1, steps: [{ method: 'prune_units', keep: 0.5 }], metric: 'f1', score: 0.948, parentScore: 0.95,
    loss: 0.2, lossLower: -0.4, lossUpper: 0.9, comparedRows: 120, lossFromOrigin: 0.6, sizeRatio: 4.1, sizeGzRatio: 3.8, latencyRatio: 1.8,
  } as const;
  expect(summaryOf(optimisation)).toBe('4.1× smaller, 1.8× faster, −0.20 points');
  expect(summaryOf({ sizeRatio: 0.5, latencyRatio: null, loss: -1 })).toBe('2.0× larger, +1.0 points');
  render(<OptimisedCard number={4} optimisation={{ ...optimisation, findings: [{ __typename: 'OptimisationFinding', code: 'LARGER_THAN_PARENT', message: 'It is larger.', remedy: 'Serve its parent.' }] }} />);
  for (const text of ['Version 4 was made from version 3', '95 % confidence: −0.90 to +0.40, 120 rows', 'Prune units (keep 0.5).', /Since version 1.*−0\.60 points in all/, 'It is larger.', 'Serve its parent.']) expect(screen.getByText(text)).toBeTruthy();
});

it('steps are sent with the settings of their kind, in the order in which they make sense', () => {
  expect(stepsOf({ QUANTISE: 'INT8', DISTIL: '16, 8', MERGE_TREES: '', PRUNE: '0.8', CLUSTER: undefined } as never)).toEqual([
    { method: 'DISTIL', units: [16, 8] }, { method: 'PRUNE', sparsity: 0.8 }, { method: 'MERGE_TREES' }, { method: 'QUANTISE', to: 'INT8' },
  ]);
  expect(stepsText([])).toBe('Base');
});

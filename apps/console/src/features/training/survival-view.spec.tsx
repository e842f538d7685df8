/** @jest-environment jsdom */
import { cleanup, fireEvent, render, screen } from '@testing-library/react';
import { answerOf, type Signature } from '../registry/signature.ts';
import { EvaluationView, evaluationOf, headline } from './evaluation.tsx';
import { headColumnOf, personalisationDraft, personalisationInput, personalisationPaths } from './personalisation-fields.tsx';
import { baseScoreOf, PersonalisationCard } from './personalisation-view.tsx';
import { canSurvive, proposeEnd } from './survival-form.tsx';
import { SurvivalCard } from './survival-view.tsx';

// The test environment has no canvas: what is drawn goes nowhere, what is said of it stays.
beforeAll(() => {
  const nothing = () => ({ width: 0 });
  HTMLCanvasElement.prototype.getContext = (() => new Proxy({}, { get: () => nothing, set: () => true })) as never;
  globalThis.ResizeObserver ??= class {
    observe() {}
    unobserve() {}
    disconnect() {}
  };
  (globalThis as { Path2D?: unknown }).Path2D ??= class {
    moveTo() {}
    lineTo() {}
    rect() {}
    closePath() {}
    bezierCurveTo() {}
    addPath() {}
  };
  window.matchMedia ??= (() => ({ matches: false, addEventListener() {}, removeEventListener() {} })) as never;
});
afterEach(cleanup);

const scores = { type: 'survival', rows: 90, observed: 40, concordance: 0.81, integratedBrier: 0.12, brierUntil: 90, censoredLogLikelihood: null, maeObserved: 14, coverageObserved: 0.85 };
const group = (name: string, rows: number) => ({ name, rows, observed: [1, 0.5, null], predicted: [1, 0.6, 0.2] });
const survived = { test: scores, survivalChart: { times: [0, 50, 100], groups: [group('all', 90), group('short', 30), group('middle', 30), group('long', 30)] }, warnings: [] };

describe('a survival model', () => {
  it('says how good it is, beside the curve that answers every row alike', () => {
    expect(headline(scores)).toBe('Brier 0.12');
    render(<EvaluationView evaluation={evaluationOf(scores)!} baseline={evaluationOf({ ...scores, integratedBrier: 0.21 })} />);
    for (const text of ['0.12', 'baseline 0.21', '0.81', 'a curve has none', '40 saw an end']) expect(screen.getByText(text)).toBeTruthy();
  });

  it('lays what was said over what came, in all and by thirds', () => {
    render(<SurvivalCard name="Boosted trees" metrics={survived} />);
    expect(screen.getByRole('img', { name: /all test rows/ })).toBeTruthy();
    fireEvent.change(screen.getByLabelText('Rows'), { target: { value: 'short' } });
    expect(screen.getByRole('img', { name: /shortest predictions/ })).toBeTruthy();
    cleanup();
    expect(render(<SurvivalCard name="Dense network" metrics={{ test: {} }} />).container.innerHTML).toBe('');
  });

  it('is offered where there are a time and a column of two values, and proposes which of them is an end', () => {
    expect(canSurvive([{ type: 'NUMBER', flags: [] }, { type: 'BINARY', flags: [] }])).toBe(true);
    expect(canSurvive([{ type: 'NUMBER', flags: [] }, { type: 'NUMBER', flags: ['two_valued'] }])).toBe(true);
    expect(canSurvive([{ type: 'NUMBER', flags: ['two_valued'] }, { type: 'CATEGORY', flags: [] }])).toBe(false);
    expect([proposeEnd(['no', 'yes']), proposeEnd(['1', '0']), proposeEnd(['runs', 'gone'])]).toEqual(['yes', '1', 'gone']);
  });
});

describe('heads', () => {
  const of = (name: string, isKept: boolean) => ({ group: name, fitRows: 20, proofRows: 10, base: 4, head: isKept ? 1 : 5, isKept, testRows: 7, baseScore: 2, score: 1 });
  const metrics = {
    selectionMetric: 'rmse',
    personalisation: { column: 'press', shrinkage: 10, base: { rmse: 2.5 }, groups: 3, heads: 1, personalisedRows: 7, proof: { rows: 20, base: 4, personalised: 2.5 }, byGroup: [of('p1', true), of('p2', false)] },
  };

  it('stand beside the shared model, in all and for each group', () => {
    expect(baseScoreOf(metrics)).toBe(2.5);
    expect(baseScoreOf({ selectionMetric: 'rmse' })).toBeNull();
    render(<PersonalisationCard name="Linear model" metrics={metrics} scoreTest={1.5} />);
    for (const text of ['of 3 values of press', '4 without heads', 'not proven', '75.0 %']) expect(screen.getByText(text)).toBeTruthy();
    expect(screen.getAllByText('In use')).toHaveLength(1);
    cleanup();
    expect(render(<PersonalisationCard name="Linear model" metrics={{ test: {} }} scoreTest={1} />).container.innerHTML).toBe('');
  });

  it('are asked for by a column, and by nothing else', () => {
    const schema = { properties: { personalisation: { properties: { column: { type: 'string' }, minRows: { type: 'integer', default: 50 }, inputs: { type: 'array', items: { type: 'string' }, default: [] } } } } };
    const none = personalisationDraft(schema);
    expect([headColumnOf(none), personalisationInput(schema, none), personalisationPaths(schema, none)]).toEqual(['', {}, []]);
    const chosen = { ...none, column: 'press', inputs: 'force, speed' };
    expect(personalisationInput(schema, chosen)).toEqual({ personalisation: { column: 'press', minRows: 50, inputs: ['force', 'speed'] } });
    expect(personalisationPaths(schema, chosen)).toContain('personalisation.minRows');
  });
});

it('answers tell the chance to go on, and whether a head was used', () => {
  const signature = { task: 'survival', family: 'x', inputs: [], output: { name: 'hours', type: 'number' } } satisfies Signature;
  expect(answerOf(signature, { prediction: 4, lower: 2, upper: 9, survival: 0.4 })).toEqual({ prediction: 4, probabilities: null, interval: { lower: 2, upper: 9 }, survival: 0.4 });
  expect(answerOf(signature, { prediction: 4, personalised: 0 })).toEqual({ prediction: 4, probabilities: null, isPersonalised: false });
});

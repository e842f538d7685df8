/** @jest-environment jsdom */
import { cleanup, fireEvent, render, screen } from '@testing-library/react';
import { useState } from 'react';
import type { FieldProblem } from '../../design/field.tsx';
import { draftOf, pathsOf, valueOf, type DraftObject, type FieldSchema } from './schema-draft.ts';
import { SchemaFields } from './schema-fields.tsx';

afterEach(cleanup);

const trainer: FieldSchema = {
  type: 'object',
  properties: {
    epochs: { type: 'integer', title: 'Epochs', default: 100, minimum: 1 },
    optimizer: { type: 'string', title: 'Optimiser', enum: ['sgd', 'adam'], default: 'adam' },
    learningRate: { type: 'number', title: 'Learning rate', default: 0.003 },
    hiddenLayers: { type: 'array', title: 'Hidden layers', items: { type: 'integer' }, default: [64, 32] },
    rising: { type: 'array', title: 'Rising with', items: { type: 'string' }, default: [] },
    regularization: {
      type: 'object',
      default: {},
      properties: { l1: { type: 'number', title: 'L1', default: 0 }, l2: { type: 'number', title: 'L2', default: 0 } },
    },
    earlyStop: {
      title: 'Early stop',
      default: {},
      anyOf: [{ type: 'object', properties: { patience: { type: 'integer', title: 'Patience', default: 15 } } }, { type: 'null' }],
    },
    classWeight: { title: 'Class weights', default: 'none', anyOf: [{ type: 'string', enum: ['none', 'balanced'] }, { type: 'object' }] },
    metric: { type: 'string', title: 'Metric', enum: ['f1', 'rmse'] },
    costs: { type: 'object', properties: { missed: { type: 'number', title: 'Missed' }, falseAlarm: { type: 'number', title: 'False alarm' } } },
  },
};

function Form({ onValue, problemAt = () => null }: { onValue(value: unknown): void; problemAt?(path: string): FieldProblem | null }) {
  const [draft, setDraft] = useState(() => draftOf(trainer) as DraftObject);
  onValue(valueOf(trainer, draft));
  return <SchemaFields schema={trainer} draft={draft} path="trainer" problemAt={problemAt} onDraft={setDraft} />;
}

describe('a form made from the schema of the training configuration', () => {
  it('starts with the defaults and stands for them', () => {
    let value: unknown;
    render(<Form onValue={(next) => (value = next)} />);
    expect(screen.getByLabelText<HTMLInputElement>('Epochs').value).toBe('100');
    expect(screen.getByLabelText<HTMLInputElement>('Hidden layers').value).toBe('64, 32');
    expect(value).toEqual({
      epochs: 100,
      optimizer: 'adam',
      learningRate: 0.003,
      hiddenLayers: [64, 32],
      rising: [],
      regularization: { l1: 0, l2: 0 },
      earlyStop: { patience: 15 },
      classWeight: 'none',
    });
  });

  it('takes names with blanks, one after a comma', () => {
    let value: unknown;
    render(<Form onValue={(next) => (value = next)} />);
    fireEvent.change(screen.getByLabelText('Rising with'), { target: { value: 'Torque [Nm], Tool wear [min],' } });
    expect(value).toMatchObject({ rising: ['Torque [Nm]', 'Tool wear [min]'] });
  });

  it('sends numbers as numbers, an emptied field not at all, and what is no number as it was typed', () => {
    let value: unknown;
    render(<Form onValue={(next) => (value = next)} />);
    fireEvent.change(screen.getByLabelText('L2'), { target: { value: '1e-3' } });
    fireEvent.change(screen.getByLabelText('Epochs'), { target: { value: ' ' } });
    fireEvent.change(screen.getByLabelText('Learning rate'), { target: { value: '0,01' } });
    fireEvent.change(screen.getByLabelText('Hidden layers'), { target: { value: '' } });
    expect(value).toMatchObject({ regularization: { l1: 0, l2: 0.001 }, learningRate: '0,01', hiddenLayers: [] });
    expect(value).not.toHaveProperty('epochs');
  });

  it('leaves out a part of which nothing was filled in, and sends it with the first value', () => {
    let value: unknown;
    render(<Form onValue={(next) => (value = next)} />);
    expect(value).not.toHaveProperty('costs');
    fireEvent.change(screen.getByLabelText('Missed'), { target: { value: '100' } });
    expect(value).toMatchObject({ costs: { missed: 100 } });
  });

  it('offers the named values of what may also be an object', () => {
    let value: unknown;
    render(<Form onValue={(next) => (value = next)} />);
    fireEvent.change(screen.getByLabelText('Class weights'), { target: { value: 'balanced' } });
    expect(value).toMatchObject({ classWeight: 'balanced' });
  });

  it('sends null for a part that is switched off', () => {
    let value: unknown;
    render(<Form onValue={(next) => (value = next)} />);
    fireEvent.click(screen.getByLabelText('Early stop'));
    expect(value).toMatchObject({ earlyStop: null });
    expect(screen.queryByLabelText('Patience')).toBeNull();
  });

  it('shows a problem beside the field that it is about, tied to it for screen readers', () => {
    const problem = { message: 'The value is too large.', remedy: 'Give at most 1.' };
    render(<Form onValue={() => undefined} problemAt={(path) => (path === 'trainer.regularization.l1' ? problem : null)} />);
    const input = screen.getByLabelText('L1');
    expect(input.getAttribute('aria-invalid')).toBe('true');
    const note = document.getElementById(input.getAttribute('aria-describedby')?.split(' ')[0] ?? '');
    expect(note?.textContent).toBe('The value is too large. Give at most 1.');
    expect(screen.getByLabelText('L2').getAttribute('aria-invalid')).toBeNull();
  });

  it('knows the paths of the fields it shows, so that no other problem goes unseen', () => {
    const draft = { ...(draftOf(trainer) as DraftObject), earlyStop: null };
    const paths = pathsOf(trainer, draft, 'trainer');
    expect(paths).toContain('trainer.regularization.l1');
    expect(paths).not.toContain('trainer.earlyStop.patience');
  });
});

/** @jest-environment jsdom */
import { cleanup, fireEvent, render, screen, waitFor } from '@testing-library/react';
import { useState } from 'react';
import { curlLines } from './curl-lines.ts';
import { SignatureForm } from './signature-form.tsx';
import { answerOf, exampleRow, readRow, type RowDraft, type Signature } from './signature.ts';
import { UnseenValues } from './unseen-values.tsx';

afterEach(cleanup);

const signature: Signature = {
  task: 'classification',
  family: 'dense',
  inputs: [
    { name: 'torque [Nm]', type: 'number', required: true, min: 3.8, max: 76.6 },
    { name: 'speed', type: 'number', required: false, min: 1168, max: 2886 },
    { name: 'grade', type: 'category', required: true, categories: ['H', 'L', 'M'] },
    { name: 'shift', type: 'binary', required: false, categories: ['day', 'night'] },
  ],
  output: { name: 'failure', type: 'binary', classes: ['no', 'yes'] },
};

function Form({ onDraft }: { onDraft(draft: RowDraft): void }) {
  const [draft, setDraft] = useState(() => exampleRow(signature));
  onDraft(draft);
  return <SignatureForm signature={signature} draft={draft} problemAt={() => null} onDraft={setDraft} />;
}

const pictures: Signature = {
  task: 'classification', family: 'convolutional', inputs: [{ name: 'photo', type: 'image', required: true, width: 32, height: 24, channels: 1 }],
  output: { name: 'label', type: 'category', classes: ['good', 'scratch'] },
};

it('a picture is a file to choose, asked for as base64 and not pasted into commands', async () => {
  let draft = exampleRow(pictures);
  const { rerender } = render(<SignatureForm signature={pictures} draft={draft} problemAt={() => null} onDraft={(next) => (draft = next)} />);
  expect(readRow(pictures, draft)).toMatchObject({ type: 'incomplete', problems: [{ field: 'photo' }] });
  fireEvent.change(screen.getByLabelText('photo'), { target: { files: [new File([Uint8Array.of(1, 2, 3)], 'part.png', { type: 'image/png' })] } });
  await waitFor(() => expect(draft).toEqual({ photo: 'AQID' }), { timeout: 30_000 });
  rerender(<SignatureForm signature={pictures} draft={draft} problemAt={() => null} onDraft={() => undefined} />);
  expect(screen.getByRole('img').getAttribute('src')).toBe('data:image/png;base64,AQID');
  const read = readRow(pictures, draft);
  expect(read).toEqual({ type: 'row', row: { photo: { b64: 'AQID' } } });
  const lines = curlLines({ baseUrl: 'http://h', endpoint: 'parts', signature: pictures, row: read.type === 'row' ? read.row : {} }).map(({ text }) => text);
  expect(lines[1]).toContain('{"instances":[{"photo":{"b64":"BASE64_OF_A_PNG_OR_JPEG_FILE"}}]}');
  expect(lines[2]).toContain('"datatype":"BYTES","data":["BASE64_OF_A_PNG_OR_JPEG_FILE"]');
});

function type(label: RegExp | string, value: string) {
  fireEvent.change(screen.getByLabelText(label), { target: { value } });
}

describe('the form made from a signature', () => {
  it('has a field for each input: numbers with their range, categories to choose from', () => {
    render(<Form onDraft={() => undefined} />);
    expect(screen.getByLabelText('torque [Nm]').tagName).toBe('INPUT');
    expect(screen.getByText('Learnt from 3.8 to 76.6')).toBeTruthy();
    const grade = screen.getByLabelText<HTMLSelectElement>('grade');
    expect([...grade.options].map((option) => option.value)).toEqual(['H', 'L', 'M']);
  });

  it('starts with a row that the model accepts', () => {
    expect(readRow(signature, exampleRow(signature))).toEqual({
      type: 'row',
      row: { 'torque [Nm]': 40.2, speed: 2027, grade: 'H', shift: 'day' },
    });
  });

  it('sends null for a missing value where the model takes one, and says so where it does not', () => {
    let draft: RowDraft = {};
    render(<Form onDraft={(next) => (draft = next)} />);
    type(/^speed/, '');
    type(/^shift/, '');
    expect(readRow(signature, draft)).toEqual({ type: 'row', row: { 'torque [Nm]': 40.2, speed: null, grade: 'H', shift: null } });
    type('torque [Nm]', '');
    expect(readRow(signature, draft)).toMatchObject({ type: 'incomplete', problems: [{ field: 'torque [Nm]' }] });
  });

  it.each(['12 Nm', '1,5', 'NaN', 'Infinity'])('refuses %s as a number, naming the field', (text) => {
    const read = readRow(signature, { ...exampleRow(signature), speed: text });
    expect(read).toMatchObject({ type: 'incomplete', problems: [{ field: 'speed' }] });
  });

  it('warns of a value outside of what the model has seen, and still sends it', () => {
    let draft: RowDraft = {};
    render(<Form onDraft={(next) => (draft = next)} />);
    type('torque [Nm]', '500');
    expect(screen.getByText(/the answer is a guess outside/)).toBeTruthy();
    expect(readRow(signature, draft)).toMatchObject({ type: 'row', row: { 'torque [Nm]': 500 } });
  });
});

describe('the answer of a model', () => {
  it('gives probabilities their class names, most probable first', () => {
    expect(answerOf(signature, { prediction: 'yes', probabilities: [0.2, 0.8] })).toEqual({
      prediction: 'yes',
      probabilities: [
        { label: 'yes', probability: 0.8 },
        { label: 'no', probability: 0.2 },
      ],
    });
  });

  it('may be a bare number', () => {
    expect(answerOf({ ...signature, output: { name: 'wear', type: 'number' } }, 12.5)).toEqual({ prediction: 12.5, probabilities: null });
  });
});

it('values that the model had not seen are named beside its answer, and nothing stands there otherwise', () => {
  const { rerender } = render(<UnseenValues warnings={[{ code: 'outside_training_range', field: 'speed' }, { code: 'unseen_category', field: 'grade' }]} />);
  expect(screen.getAllByRole('listitem').map(({ textContent }) => textContent)).toEqual([
    'speed: outside of what the model has learnt from. The answer may be worth less.', 'grade: not among what the model has learnt from. The answer may be worth less.',
  ]);
  rerender(<UnseenValues warnings={[]} />);
  expect(screen.queryByRole('list')).toBeNull();
});

describe('curl lines', () => {
  const row = { 'torque [Nm]': 40.2, speed: null, grade: "it's", shift: 'day' };
  const lines = curlLines({ baseUrl: 'http://localhost:8000', endpoint: 'press 4', signature, row });
  const bodyOf = (text: string) => JSON.parse(text.slice(text.indexOf("-d '") + 4, -1).replaceAll(String.raw`'\''`, "'")) as unknown;

  it('carry the same row in the shape of each protocol', () => {
    expect(lines.map(({ text }) => bodyOf(text))).toEqual([
      { model: 'press 4', features: [40.2, null, "it's", 'day'] },
      { instances: [row] },
      {
        inputs: [
          { name: 'torque [Nm]', shape: [1], datatype: 'FP64', data: [40.2] },
          { name: 'grade', shape: [1], datatype: 'BYTES', data: ["it's"] },
          { name: 'shift', shape: [1], datatype: 'BYTES', data: ['day'] },
        ],
      },
      { dataframe_records: [row] },
    ]);
  });

  it('survive a shell: names are encoded, quotes are escaped, the key comes from the environment', () => {
    for (const { text } of lines) {
      expect(text).toContain('-H "X-API-Key: $MILLRACE_KEY"');
      expect(text).toContain(String.raw`it'\''s`);
    }
    expect(lines[1]?.text).toContain('http://localhost:8000/v1/models/press%204:predict');
    expect(lines[2]?.text).toContain('http://localhost:8000/v2/models/press%204/infer');
    expect(lines[3]?.text).toContain('http://localhost:8000/models/press%204/invocations');
  });
});

describe('the form of a forecast', () => {
  const forecast: Signature = {
    task: 'forecasting',
    family: 'naive',
    inputs: [
      { name: 'step', type: 'number', required: true, min: 1, max: 14, closed: true },
      { name: 'site', type: 'category', required: true, categories: ['north', 'south'], closed: true },
    ],
    output: { name: 'visits', type: 'number' },
    forecast: { lastObservation: '2026-03-31T00:00:00.000Z', frequency: 'P1D', horizon: 14, intervalCoverage: 0.9 },
  };

  it('starts with a step that has an answer', () => {
    expect(readRow(forecast, exampleRow(forecast))).toEqual({ type: 'row', row: { step: 1, site: 'north' } });
  });

  it('reads the interval of an answer', () => {
    expect(answerOf(forecast, { prediction: 3, lower: 2, upper: 4 })).toEqual({ prediction: 3, probabilities: null, interval: { lower: 2, upper: 4 } });
  });
});

describe('the form of a date', () => {
  const dated: Signature = {
    task: 'regression',
    family: 'boosted_trees',
    inputs: [{ name: 'when', type: 'date', required: true, min: '2025-01-01', max: '2026-03-31' }],
    output: { name: 'load', type: 'number', interval: { coverage: 0.9, halfWidth: 2 } },
  };

  it('starts with the last day of training, and says at once what is no date', () => {
    expect(readRow(dated, exampleRow(dated))).toEqual({ type: 'row', row: { when: '2026-03-31' } });
    expect(readRow(dated, { when: '2026-04-01T14:30:00Z' })).toEqual({ type: 'row', row: { when: '2026-04-01T14:30:00Z' } });
    expect(readRow(dated, { when: 'soon' })).toMatchObject({ type: 'incomplete', problems: [{ field: 'when', remedy: expect.stringMatching(/2026-03-31/) }] });
    expect(readRow(dated, { when: ' ' })).toMatchObject({ type: 'incomplete' });
  });
});

describe('the form of a recommendation', () => {
  const signature: Signature = {
    task: 'recommendation',
    family: 'popularity',
    inputs: [
      { name: 'machine', type: 'category', required: false, categories: Array.from({ length: 300 }, (_, at) => `m${at}`) },
      { name: 'exclude', type: 'list', required: false, choices: ['belt', 'pump, large'] },
    ],
    output: { name: 'part', type: 'items', count: 2, excludesSeen: true },
  };

  it('takes a name out of many, or another, and a list of what is not wanted', () => {
    let draft: RowDraft = {};
    function Recommending() {
      const [own, setOwn] = useState(() => exampleRow(signature));
      draft = own;
      return <SignatureForm signature={signature} draft={own} problemAt={() => null} onDraft={setOwn} />;
    }
    render(<Recommending />);
    expect(readRow(signature, draft)).toEqual({ type: 'row', row: { machine: 'm0', exclude: null } });
    type(/^machine/, 'somebody new');
    type(/^exclude/, 'pump, large');
    fireEvent.click(screen.getByRole('button', { name: 'Add' }));
    expect(readRow(signature, draft)).toEqual({ type: 'row', row: { machine: 'somebody new', exclude: ['pump, large'] } });
    type(/^exclude/, 'no such part');
    expect(screen.getByRole<HTMLButtonElement>('button', { name: 'Add' }).disabled).toBe(true);
    fireEvent.click(screen.getByRole('button', { name: 'Remove pump, large' }));
    expect(readRow(signature, draft)).toMatchObject({ row: { exclude: null } });
  });

  it('reads items with their scores, and writes a list as a tensor of a row', () => {
    expect(answerOf(signature, { items: ['belt', 'pump, large'], scores: [2, 1] })).toMatchObject({ items: [{ item: 'belt', score: 2 }, { item: 'pump, large', score: 1 }] });
    const lines = curlLines({ baseUrl: 'http://x', endpoint: 'parts', signature, row: { machine: 'm1', exclude: ['belt'] } });
    expect(lines[0]?.text).toContain('"features":["m1",["belt"]]');
    expect(lines[2]?.text).toContain('{"name":"exclude","shape":[1,1],"datatype":"BYTES","data":["belt"]}');
  });
});

import { jest } from '@jest/globals';
import fc from 'fast-check';
import { type CheckedRows, checkRows, checkVectors, type Signature } from './index.ts';

const signature: Signature = {
  formatVersion: 1,
  task: 'classification',
  family: 'dense',
  inputs: [
    { name: 'length', type: 'number', required: true, min: 1, max: 9 },
    { name: 'colour', type: 'category', required: true, categories: ['blue', 'red'] },
    { name: 'width', type: 'number', required: false, min: -2, max: 2 },
    { name: 'shift', type: 'binary', required: false, categories: ['day', 'night'] },
  ],
  output: { name: 'kind', type: 'category', classes: ['a', 'b'] },
  graph: { missingCategory: '', rowsPerCall: 100 },
};
const good = { length: 5, colour: 'red', width: 0.5, shift: 'day' };

function problemsOf(checked: CheckedRows) {
  if (checked.type === 'valid') throw new Error('The rows pass as valid.');
  return checked.problems;
}

function validOf(checked: CheckedRows) {
  if (checked.type === 'invalid') throw new Error(JSON.stringify(checked.problems));
  return checked;
}

const json = (text: string): unknown => JSON.parse(text);

describe('checkRows', () => {
  it('takes an array of objects, or one', () => {
    expect(validOf(checkRows(signature, [good, good])).rows.count).toBe(2);
    expect(validOf(checkRows(signature, good)).rows.count).toBe(1);
  });

  it('describes no more of a row with thousands of unknown features than it reports', () => {
    const row = Object.fromEntries(Array.from({ length: 5_000 }, (_, i) => [`f${i}`, 1]));
    const listings = jest.spyOn(Set.prototype, Symbol.iterator); // each remedy lists the features anew
    const problems = problemsOf(checkRows(signature, [row]));
    const described = listings.mock.calls.length;
    listings.mockRestore();
    expect(problems).toHaveLength(50);
    expect(described).toBeLessThan(100);
  });

  it('lets an optional feature be null or left out', () => {
    const sent = [{ ...good, width: null, shift: null }, { length: 5, colour: 'red' }];
    const { rows, warnings } = validOf(checkRows(signature, sent));
    expect([...rows.numbers]).toEqual([5, NaN, 5, NaN]);
    expect(rows.categories).toEqual(['red', '', 'red', '']);
    expect(warnings).toEqual([]);
  });

  describe('a date', () => {
    const dated: Signature = {
      ...signature,
      inputs: [signature.inputs[0]!, { name: 'when', type: 'date', required: false, parts: ['month', 'hour', 'day'], min: '2025-01-01', max: '2026-01-01' }, signature.inputs[2]!],
    };
    const numbersOf = (row: unknown): number[] => [...validOf(Array.isArray(row) ? checkVectors(dated, [row]) : checkRows(dated, [row])).rows.numbers];

    it('becomes the numbers of its parts, in the place of its feature', () => {
      expect(numbersOf({ length: 5, when: '2026-03-31T14:30:00Z', width: 1 })).toEqual([5, 3, 14, 20_543, 1]);
      expect(numbersOf([5, '2026-03-31T23:30:00-02:00', 1])).toEqual([5, 4, 1, 20_544, 1]);
      expect(numbersOf({ length: 5, when: null, width: 1 })).toEqual([5, NaN, NaN, NaN, 1]);
    });

    it.each(['31.3.2026', '2026-02-30', '', 20_543, true, {}])('is refused as %p', (when) => {
      expect(problemsOf(checkRows(dated, [{ ...good, when }].map(({ length, when: value }) => ({ length, when: value }))))).toMatchObject([{ row: 0, field: 'when', code: 'not_a_date', remedy: expect.stringMatching(/2026-01-01/) }]);
    });

    it('that is required must be there', () => {
      const required: Signature = { ...dated, inputs: dated.inputs.map((input) => ({ ...input, required: true })) };
      expect(problemsOf(checkRows(required, [{ length: 1, width: 1 }]))).toMatchObject([{ code: 'missing_feature', remedy: 'Send "when" as a date.' }]);
    });
  });

  it.each<[string, string, unknown]>([
    ['missing_feature', 'length', { colour: 'red' }],
    ['missing_feature', 'length', { ...good, length: undefined }],
    ['missing_feature', 'colour', { length: 1 }],
    ['null_value', 'length', { ...good, length: null }],
    ['null_value', 'colour', { ...good, colour: null }],
    ['not_a_number', 'length', { ...good, length: '5.1' }],
    ['not_a_number', 'length', { ...good, length: 'five' }],
    ['not_a_number', 'length', { ...good, length: '' }],
    ['not_a_number', 'length', { ...good, length: true }],
    ['not_a_number', 'length', { ...good, length: [5] }],
    ['not_a_number', 'length', { ...good, length: { value: 5 } }],
    ['not_a_number', 'length', { ...good, length: 5n }],
    ['not_a_number', 'width', { ...good, width: false }],
    ['not_finite', 'length', { ...good, length: NaN }],
    ['not_finite', 'length', { ...good, length: Infinity }],
    ['not_finite', 'length', json('{"length":1e999,"colour":"red"}')],
    ['not_finite', 'width', { ...good, width: 'NaN' }],
    ['not_finite', 'width', { ...good, width: '-Infinity' }],
    ['too_large', 'length', { ...good, length: 1e30 }],
    ['too_large', 'width', { ...good, width: -Number.MAX_VALUE }],
    ['not_text', 'colour', { ...good, colour: 1 }],
    ['not_text', 'colour', { ...good, colour: true }],
    ['not_text', 'shift', { ...good, shift: ['day'] }],
    ['unknown_feature', 'lenght', { ...good, lenght: 5 }],
    ['unknown_feature', '__proto__', json('{"length":5,"colour":"red","__proto__":{"width":1}}')],
    ['unknown_feature', 'constructor', { ...good, constructor: 1 }],
    ['not_an_object', 'rows[0]', null],
    ['not_an_object', 'rows[0]', 5],
    ['not_an_object', 'rows[0]', 'length'],
    ['not_an_object', 'rows[0]', [5, 'red', 1, 'day']],
  ])('answers %s for %s and says what to do (case %#)', (code, field, row) => {
    expect(problemsOf(checkRows(signature, [row]))).toContainEqual({
      row: 0,
      field,
      code,
      message: expect.stringMatching(/^Row 0 .*\.$/),
      remedy: expect.stringMatching(/\.$/),
    });
  });

  it.each<[string, unknown]>([
    ['no_rows', []],
    ['not_a_list', null],
    ['not_a_list', 'rows'],
    ['not_a_list', 7],
    ['too_many_rows', Array.from({ length: 4 }, () => good)],
  ])('answers %s for the request as a whole (case %#)', (code, rows) => {
    expect(problemsOf(checkRows(signature, rows, { maxRows: 3 }))).toEqual([
      { row: null, field: 'rows', code, message: expect.any(String), remedy: expect.any(String) },
    ]);
  });

  it('takes exactly as many rows as allowed', () => {
    expect(validOf(checkRows(signature, [good, good, good], { maxRows: 3 })).rows.count).toBe(3);
  });

  it('reports each problem of each row by its index', () => {
    const problems = problemsOf(checkRows(signature, [good, { colour: 3, size: 1 }, good, 5]));
    expect(problems.map(({ row, code }) => [row, code])).toEqual([
      [1, 'unknown_feature'],
      [1, 'missing_feature'],
      [1, 'not_text'],
      [3, 'not_an_object'],
    ]);
  });

  it('stops at 50 problems and echoes only the start of what was sent', () => {
    let reads = 0;
    const row = {
      ['x'.repeat(10_000)]: 1,
      get length() {
        reads += 1;
        return 'y'.repeat(10_000);
      },
      colour: 7,
    };
    const problems = problemsOf(checkRows(signature, Array.from({ length: 5000 }, () => row)));
    expect(problems).toHaveLength(50);
    expect(reads).toBeLessThan(50);
    expect(JSON.stringify(problems).length).toBeLessThan(30_000);
  });

  it('accepts an unseen category and a number outside the training range, with a warning that names them', () => {
    const odd = { ...good, colour: 'green', length: 9.5, width: -3 };
    const { rows, warnings } = validOf(checkRows(signature, [good, odd]));
    expect(rows.categories).toEqual(['red', 'day', '', 'day']);
    expect(warnings.map(({ row, field, code }) => [row, field, code])).toEqual([
      [1, 'length', 'outside_training_range'],
      [1, 'colour', 'unseen_category'],
      [1, 'width', 'outside_training_range'],
    ]);
  });

  it('has no warning for the ends of the training range', () => {
    expect(validOf(checkRows(signature, [{ ...good, length: 1 }, { ...good, length: 9 }])).warnings).toEqual([]);
  });

  it('reads a feature named like an inherited property from the row only', () => {
    const odd: Signature = {
      ...signature,
      inputs: [
        { name: '__proto__', type: 'number', required: true, min: 0, max: 1 },
        { name: 'constructor', type: 'number', required: true, min: 0, max: 1 },
      ],
    };
    expect(problemsOf(checkRows(odd, [{}])).map(({ code }) => code)).toEqual(['missing_feature', 'missing_feature']);
    expect([...validOf(checkRows(odd, json('[{"__proto__":1,"constructor":0}]'))).rows.numbers]).toEqual([1, 0]);
  });

  it('never throws and never coerces, whatever is sent', () => {
    fc.assert(
      fc.property(fc.anything(), fc.anything(), (length, colour) => {
        const checked = checkRows(signature, [{ length, colour }]);
        const isRow = typeof length === 'number' && Math.abs(length) <= 9e9 && typeof colour === 'string';
        expect(checked.type).toBe(isRow ? 'valid' : 'invalid');
      }),
      { seed: 20261126, numRuns: 2000 },
    );
    for (const check of [checkRows, checkVectors]) {
      const answers = (rows: unknown) => ['valid', 'invalid'].includes(check(signature, rows).type);
      fc.assert(fc.property(fc.anything(), answers), { seed: 20261126, numRuns: 2000 });
    }
  });
});

describe('checkVectors', () => {
  const vector = [5, 'red', 0.5, 'day'];

  it('takes one row or an array of rows, and packs them as named rows are packed', () => {
    const named = validOf(checkRows(signature, [good])).rows;
    expect(validOf(checkVectors(signature, vector)).rows).toEqual(named);
    expect(validOf(checkVectors(signature, [vector])).rows).toEqual(named);
    expect(validOf(checkVectors(signature, [vector, [1, 'blue', null, null]])).rows.count).toBe(2);
  });

  it.each<[string, string | null, unknown]>([
    ['wrong_length', 'rows[0]', [5, 'red', 0.5]],
    ['wrong_length', 'rows[0]', [[...vector, 1]]],
    ['wrong_length', 'rows[0]', [[]]],
    ['not_a_list', 'rows[1]', [vector, good]],
    ['not_a_list', 'rows[1]', [vector, 5]],
    ['null_value', 'length', [null, 'red', 0.5, 'day']],
    ['not_a_number', 'length', ['red', 5, 0.5, 'day']],
    ['not_text', 'colour', ['red', 5, 0.5, 'day']],
    ['not_finite', 'width', [5, 'red', 'NaN', 'day']],
    ['no_rows', 'rows', []],
    ['not_a_list', 'rows', '5,red'],
    ['not_a_list', 'rows', { length: 5 }],
  ])('answers %s for %s (case %#)', (code, field, vectors) => {
    expect(problemsOf(checkVectors(signature, vectors))).toContainEqual(expect.objectContaining({ code, field }));
  });

  it('names the features in their order when the length is wrong', () => {
    expect(problemsOf(checkVectors(signature, [1]))[0]).toMatchObject({
      message: 'Row 0 has 1 values instead of 4.',
      remedy: 'Send 4 values in the order "length", "colour", "width", "shift"; null where an optional one is missing.',
    });
  });
});

import fc from 'fast-check';
import { decodeState, encodeState } from './state-codec.ts';

const state = {
  name: 'ünïcode', nothing: null, deep: [{ weights: Float32Array.of(1.5, -0, 3e-45), order: Int32Array.of(-1, 7) }],
  exact: Float64Array.of(0.1, 5e-324, Infinity, NaN), empty: new Float32Array(0),
};

test('a state comes back bit for bit', () => {
  expect(decodeState(encodeState(state))).toEqual(state);
});

test('any nesting of numbers, texts and arrays comes back', () => {
  const leaf = fc.oneof(
    fc.double({ noNaN: true, noDefaultInfinity: true }).map((value) => value + 0), fc.string(), fc.boolean(), fc.constant(null),
    fc.float32Array(), fc.float64Array(), fc.int32Array(),
  );
  const value = fc.array(fc.dictionary(fc.stringMatching(/^[a-z]+$/), fc.oneof(leaf, fc.array(leaf))));
  fc.assert(fc.property(value, (original) => {
    expect(decodeState(encodeState(original))).toEqual(JSON.parse('[]').concat(original));
  }), { seed: 20261126 });
});

test('a file that was cut or altered anywhere is not read', () => {
  const bytes = encodeState(state);
  for (let length = 0; length < bytes.length; length++) expect(decodeState(bytes.subarray(0, length))).toBeNull();
  for (let at = 0; at < bytes.length; at++) {
    const altered = Uint8Array.from(bytes);
    altered[at]! ^= 1;
    expect(decodeState(altered)).toBeNull();
  }
});

test('what cannot be stored faithfully is refused at once', () => {
  expect(() => encodeState({ loss: NaN })).toThrow('cannot be stored');
  expect(() => encodeState({ bytes: new Uint8Array(3) })).toThrow('cannot be stored');
});

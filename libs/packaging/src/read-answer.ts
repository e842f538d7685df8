import type { Calibration, FittedTarget } from './fitted-columns.ts';
import type { GraphCursor } from './graph-cursor.ts';

type ClassTarget = Extract<FittedTarget, { classes: string[] }>;

/** What `writeAnswer` made of the probabilities; the target as it is where nothing was made of them. */
export function readAnswer(cursor: GraphCursor, target: ClassTarget): ClassTarget {
  // An ensemble weighs the answers of its members next; a whole model names its outputs.
  if (cursor.peek() !== 'Cast' || cursor.peek(1) === 'Mul') return target;
  cursor.skip('Cast');
  const calibration = isColumn(cursor) ? readCalibration(cursor, target.classes.length) : null;
  const decision = cursor.peek() === 'ArgMax' ? null : readDecision(cursor);
  if (!decision) cursor.skip('ArgMax');
  cursor.skip('Gather');
  return { ...target, ...(calibration ? { calibration } : {}), ...(decision ? { decision } : {}) };
}

/** Whether the next node takes one column and keeps it one, as a calibration does and a threshold does not. */
function isColumn(cursor: GraphCursor): boolean {
  return cursor.peek() === 'Gather' && cursor.constant(cursor.next.inputs[1]).dims.length === 1;
}

function readDecision(cursor: GraphCursor): NonNullable<ClassTarget['decision']> {
  const positive = cursor.number(cursor.take('Gather').inputs[1]);
  const threshold = cursor.number(cursor.take('GreaterOrEqual').inputs[1]);
  cursor.skip('Where');
  return { positive, threshold };
}

function readCalibration(cursor: GraphCursor, classes: number): Calibration {
  const maps = classes === 2 ? 1 : classes;
  const platt: { slope: number; shift: number }[] = [];
  const isotonic: { x: Float64Array; y: Float64Array }[] = [];
  for (let map = 0; map < maps; map++) {
    cursor.skip('Gather');
    if (cursor.peek() === 'Max' && cursor.peek(3) === 'Div') {
      cursor.skip('Max', 'Min', 'Sub', 'Div', 'Log');
      const slope = cursor.number(cursor.take('Mul').inputs[1]);
      const shift = cursor.number(cursor.take('Add').inputs[1]);
      cursor.skip('Neg', 'Exp', 'Add', 'Div');
      platt.push({ slope, shift });
    } else isotonic.push(readSteps(cursor));
  }
  if (classes === 2) cursor.skip('Sub', 'Concat');
  else cursor.skip('Concat', 'ReduceSum', 'Div');
  if (platt.length > 0) return { type: 'platt', slopes: Float64Array.from(platt, ({ slope }) => slope), shifts: Float64Array.from(platt, ({ shift }) => shift) };
  return { type: 'isotonic', maps: isotonic };
}

function readSteps(cursor: GraphCursor): { x: Float64Array; y: Float64Array; slopes?: Float64Array } {
  if (cursor.takeIf('Mul')) return { x: Float64Array.of(0), y: Float64Array.of(cursor.number(cursor.take('Add').inputs[1])) };
  const starts = cursor.numbers(cursor.take('Max').inputs[1]);
  const ends = cursor.numbers(cursor.take('Min').inputs[1]);
  cursor.skip('Sub');
  const slopes = cursor.numbers(cursor.take('MatMul').inputs[1]);
  const y = [cursor.number(cursor.take('Add').inputs[1])];
  const x = [...starts, ends.at(-1)!];
  slopes.forEach((slope, line) => y.push(y[line]! + slope * (x[line + 1]! - x[line]!)));
  return { x: Float64Array.from(x), y: Float64Array.from(y), slopes };
}

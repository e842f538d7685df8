import { agree, type FittedTarget, type Prediction } from './index.ts';

const classes: FittedTarget = { name: 'y', type: 'binary', classes: ['no', 'yes'] };
const number: FittedTarget = { name: 'y', type: 'number', mean: 0, scale: 50 };
const says = (label: string, yes: number): Prediction => ({ label, probabilities: [1 - yes, yes] });

describe('agree', () => {
  it('agrees when labels are equal and probabilities differ by no more than 0.0001', () => {
    const result = agree([says('no', 0.2), says('yes', 0.9)], [says('no', 0.20005), says('yes', 0.9)], classes);
    expect(result).toEqual({ type: 'agrees', rows: 2, maxDifference: expect.closeTo(0.00005, 9), tolerance: 0.0001 });
  });

  it('disagrees when one probability differs by more, and shows the row', () => {
    const [left, right] = [says('no', 0.2), says('no', 0.2002)];
    expect(agree([says('no', 0.1), left], [says('no', 0.1), right], classes)).toMatchObject({
      type: 'disagrees',
      differing: 1,
      first: { row: 1, pipeline: left, package: right },
      message: expect.stringContaining('1 of 2 rows, first in row 1'),
    });
  });

  it('disagrees when a label differs although the probabilities are close', () => {
    expect(agree([says('yes', 0.7)], [says('no', 0.7)], classes).type).toBe('disagrees');
  });

  it('lets labels differ where the two classes are equally probable within the tolerance', () => {
    expect(agree([says('yes', 0.50001)], [says('no', 0.49999)], classes).type).toBe('agrees');
    expect(agree([says('yes', 0.5001)], [says('no', 0.50005)], classes).type).toBe('disagrees');
  });

  it('measures numbers against the scale of the target', () => {
    expect(agree([{ value: 100 }], [{ value: 100.004 }], number)).toMatchObject({ type: 'agrees', tolerance: 0.005 });
    expect(agree([{ value: 100 }], [{ value: 100.006 }], number).type).toBe('disagrees');
    const small = agree([{ value: 1 }], [{ value: 1.0002 }], { ...number, scale: 0.001 });
    expect(small).toMatchObject({ type: 'disagrees', tolerance: 0.0001 });
  });

  it.each<[string, Prediction[], Prediction[], FittedTarget]>([
    ['nothing is compared', [], [], number],
    ['a row is missing', [{ value: 1 }, { value: 2 }], [{ value: 1 }], number],
    ['a number is not a number', [{ value: NaN }], [{ value: NaN }], number],
    ['a probability is not a number', [says('no', NaN)], [says('no', NaN)], classes],
    ['the kinds of prediction differ', [{ value: 1 }], [says('no', 0)], number],
    ['a class is missing', [{ label: 'no', probabilities: [1] }], [says('no', 0)], classes],
    ['a label is no class', [says('maybe', 0.5)], [says('no', 0.5)], classes],
  ])('disagrees when %s', (_, left, right, target) => {
    expect(agree(left, right, target)).toMatchObject({ type: 'disagrees', message: expect.any(String) });
  });
});

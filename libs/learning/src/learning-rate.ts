import type { TrainerSettings } from '@millrace/configuration';

/** The part of the learning rate that is used at a moment: `epochs` done so far, with the fraction of the running one. */
export type RateAt = (epochs: number) => number;

/**
 * The schedule of an epoch, from the losses of those before it. Nothing needs to be remembered for it: a resumed run
 * knows the same losses.
 */
export function rateOfEpoch({ schedule, epochs: all }: TrainerSettings, losses: readonly number[]): RateAt {
  const { kind, warmUpEpochs, factor, every } = schedule;
  const falls = kind === 'plateau' ? countPlateaus(losses, every) : 0;
  return (epochs) => {
    const warm = epochs < warmUpEpochs ? epochs / warmUpEpochs : 1;
    switch (kind) {
      case 'constant':
        return warm;
      case 'cosine':
        return warm * 0.5 * (1 + Math.cos(Math.PI * Math.min(1, epochs / all)));
      case 'step':
        return warm * factor ** Math.floor(epochs / every);
      case 'plateau':
        return warm * factor ** falls;
    }
  };
}

/** How often `patience` epochs went by without a loss below all before. */
function countPlateaus(losses: readonly number[], patience: number): number {
  let [best, waited, plateaus] = [Infinity, 0, 0];
  for (const loss of losses) {
    if (loss < best) [best, waited] = [loss, 0];
    else if (++waited === patience) [waited, plateaus] = [0, plateaus + 1];
  }
  return plateaus;
}

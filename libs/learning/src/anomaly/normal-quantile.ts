/**
 * Φ⁻¹(p) for p in [0.5, 1): Wichura's algorithm AS 241, PPND7 (Applied Statistics 37, 1988), about seven digits.
 */
export function normalQuantile(p: number): number {
  const q = p - 0.5;
  if (q <= 0.425) {
    const r = 0.180625 - q * q;
    return (q * horner(r, [59.109374720, 159.29113202, 50.434271938, 3.3871327179])) / horner(r, [67.187563600, 78.757757664, 17.895169469, 1]);
  }
  const r = Math.sqrt(-Math.log(1 - p));
  if (r <= 5) {
    return horner(r - 1.6, [0.17023821103, 1.3067284816, 2.7568153900, 1.4234372777]) / horner(r - 1.6, [0.12021132975, 0.73700164250, 1]);
  }
  return horner(r - 5, [0.017337203997, 0.42868294337, 3.0812263860, 6.6579051150]) / horner(r - 5, [0.012258202635, 0.24197894225, 1]);
}

/** Coefficients from the highest power down. */
const horner = (x: number, coefficients: number[]): number => coefficients.reduce((sum, coefficient) => sum * x + coefficient, 0);

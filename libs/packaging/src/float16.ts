/**
 * The sixteen bits of a number in IEEE 754 binary16: rounded to the nearest, ties to even; what is too large becomes infinite.
 */
export function float16Bits(value: number): number {
  const sign = value < 0 || Object.is(value, -0) ? 0x8000 : 0;
  const size = Math.abs(value);
  if (Number.isNaN(size)) return 0x7e00;
  // Numbers below 2^-14 have steps of 2^-24, without a leading one.
  const exponent = Math.max(-14, Math.floor(Math.log2(size)));
  const steps = roundHalfToEven(size / 2 ** (exponent - 10));
  if (size === 0 || steps < 1024) return sign | steps;
  // Rounding up to the next power of two carries into the exponent: hence a sum.
  const bits = ((exponent + 15) << 10) + (steps - 1024);
  return sign | Math.min(bits, 0x7c00);
}

/** The number that sixteen such bits stand for. */
export function fromFloat16Bits(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const [exponent, fraction] = [(bits >> 10) & 31, bits & 1023];
  if (exponent === 31) return fraction === 0 ? sign * Infinity : NaN;
  return sign * (exponent === 0 ? fraction * 2 ** -24 : (1024 + fraction) * 2 ** (exponent - 25));
}

/** Of a number that is not below 0. */
function roundHalfToEven(value: number): number {
  const floor = Math.floor(value);
  const rest = value - floor;
  return rest > 0.5 || (rest === 0.5 && floor % 2 === 1) ? floor + 1 : floor;
}

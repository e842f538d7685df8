/**
 * A seeded generator of random numbers: the same stream on every machine and Node version.
 *
 * xoshiro128** 1.1 (D. Blackman, S. Vigna, "Scrambled Linear Pseudorandom Number Generators", 2021), its state filled
 * by SplitMix64 as its authors advise.
 */
export interface Random {
  /** An integer in [0, 2^32). */
  uint32(): number;
  /** A number in [0, 1). */
  uniform(): number;
  /** An integer in [0, bound), every one equally likely. */
  below(bound: number): number;
  /** 0 … length-1 in random order (Fisher–Yates). */
  permutation(length: number): Int32Array;
}

/** A generator for a seed. Further numbers name independent streams of the same seed (a trial, an epoch). */
export function createRandom(seed: number, ...stream: number[]): Random {
  // Each number is folded through one SplitMix64 round, so that (1, 2) and (2, 1) are unrelated streams.
  let mixed = 0n;
  for (const number of [seed, ...stream]) mixed = splitMix64(mixed ^ BigInt.asUintN(64, BigInt(number)));
  return fromState(stateFrom(mixed));
}

const GOLDEN_GAMMA = 0x9e3779b97f4a7c15n;

function splitMix64(state: bigint): bigint {
  let z = BigInt.asUintN(64, state + GOLDEN_GAMMA);
  z = BigInt.asUintN(64, (z ^ (z >> 30n)) * 0xbf58476d1ce4e5b9n);
  z = BigInt.asUintN(64, (z ^ (z >> 27n)) * 0x94d049bb133111ebn);
  return z ^ (z >> 31n);
}

function stateFrom(mixed: bigint): Uint32Array {
  const first = splitMix64(mixed);
  const second = splitMix64(BigInt.asUintN(64, mixed + GOLDEN_GAMMA));
  return Uint32Array.of(
    Number(first & 0xffffffffn), Number(first >> 32n), Number(second & 0xffffffffn), Number(second >> 32n),
  );
}

const rotateLeft = (x: number, k: number) => (x << k) | (x >>> (32 - k));

/** The generator itself, from an explicit 128-bit state (not all zero). */
export function fromState(initial: Uint32Array): Random {
  const s = Uint32Array.from(initial);

  function uint32(): number {
    const result = Math.imul(rotateLeft(Math.imul(s[1]!, 5), 7), 9) >>> 0;
    const t = s[1]! << 9;
    s[2]! ^= s[0]!;
    s[3]! ^= s[1]!;
    s[1]! ^= s[2]!;
    s[0]! ^= s[3]!;
    s[2]! ^= t;
    s[3] = rotateLeft(s[3]!, 11);
    return result;
  }

  function below(bound: number): number {
    // Values at and above the largest multiple of `bound` would favour small results: draw again.
    const limit = 2 ** 32 - (2 ** 32 % bound);
    let value = uint32();
    while (value >= limit) value = uint32();
    return value % bound;
  }

  return {
    uint32,
    uniform: () => uint32() / 2 ** 32,
    below,
    permutation(length) {
      const order = Int32Array.from({ length }, (_, index) => index);
      for (let last = length - 1; last > 0; last--) {
        const other = below(last + 1);
        const kept = order[last]!;
        order[last] = order[other]!;
        order[other] = kept;
      }
      return order;
    },
  };
}

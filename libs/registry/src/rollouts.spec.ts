import { brokenRule as findBroken, inWords, type Judged, type RollbackRule } from './rollback-rules.ts';
import { rolloutDefaults } from './rollouts.ts';
import type { VersionTraffic } from './traffic.ts';

const brokenRule = (rules: readonly RollbackRule[], judged: Judged): string | null => {
  const found = findBroken(rules, judged);
  return found && inWords(found);
};
const traffic = (changes: Partial<VersionTraffic> = {}): VersionTraffic => ({
  versionId: 'mdv_1', variant: 'CANARY', requests: 20, errorRate: 0, refusedRate: 0, differingRate: null, latencyP50Ms: 1, latencyP95Ms: 2, latencyP99Ms: 4, ...changes,
});
const broken = (candidate: Partial<VersionTraffic>, stable: VersionTraffic | null = traffic()) => brokenRule(rolloutDefaults.rollbackOn, { candidate: traffic(candidate), stable: stable ?? undefined, score: null });

describe('a rollout’s rules as they are unless set', () => {
  it('are kept by a version that does as well as the one before', () => {
    expect(broken({})).toBeNull();
    expect(broken({ errorRate: 0.02, refusedRate: 0.1, latencyP95Ms: 6 })).toBeNull();
  });

  it('are broken by errors, by refusals and by being much slower than the one before', () => {
    expect(broken({ errorRate: 0.05 })).toBe('errorRate was 0.05, > 0.02, over 20 requests.');
    expect(broken({ refusedRate: 0.15 })).toBe('refusedRate was 0.15, > 0.1, over 20 requests.');
    expect(broken({ latencyP95Ms: 8 })).toBe('latencyP95Ratio was 4, > 3, over 20 requests.');
  });

  it('compare no speed where the one before was not asked, or answered nothing', () => {
    expect(broken({ latencyP95Ms: 1000 }, null)).toBeNull();
    expect(broken({ latencyP95Ms: 1000 }, traffic({ latencyP95Ms: null }))).toBeNull();
  });
});

it('a rule may hold at its threshold as well', () => {
  expect(brokenRule([{ metric: 'latencyP95Ms', op: '>=', threshold: 2 }], { candidate: traffic(), stable: undefined, score: null })).toBe('latencyP95Ms was 2, >= 2, over 20 requests.');
  expect(brokenRule([{ metric: 'latencyP95Ms', op: '>', threshold: 2 }], { candidate: traffic(), stable: undefined, score: null })).toBeNull();
});

it('a rule on a score is judged by the score alone, and by none that is not known', () => {
  const rules = [{ metric: 'accuracy', op: '<', threshold: 0.9 }] as const;
  const score = { labelledRows: 40, valueOf: () => 0.85 };
  expect(brokenRule(rules, { candidate: null, stable: undefined, score })).toBe('accuracy was 0.85, < 0.9, over 40 rows with a known truth.');
  expect(brokenRule(rules, { candidate: null, stable: undefined, score: { ...score, valueOf: () => 0.9 } })).toBeNull();
  expect(brokenRule(rules, { candidate: traffic(), stable: undefined, score: null })).toBeNull();
});

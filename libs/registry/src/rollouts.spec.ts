import { brokenRule as findBroken, inWords, type Judged, type RollbackRule } from './rollback-rules.ts';
import { rolloutDefaults } from './rollouts.ts';
import { noTraffic, summariseTraffic, type TrafficCounts, type VersionTraffic } from './traffic.ts';

const brokenRule = (rules: readonly RollbackRule[], judged: Judged): string | null => {
  const found = findBroken(rules, judged);
  return found && inWords(found);
};
const traffic = (counts: Partial<TrafficCounts> = {}, changes: Partial<VersionTraffic> = {}): VersionTraffic => ({
  ...summariseTraffic('mdv_1', 'CANARY', { ...noTraffic(), requests: 20, ...counts }), latencyP95Ms: 2, ...changes,
});
const judge = (rules: readonly RollbackRule[], candidate: VersionTraffic | undefined, stable: VersionTraffic | undefined = traffic(), minRequests = 20) => brokenRule(rules, { candidate, stable, minRequests, score: null });
const broken = (...judged: [VersionTraffic, VersionTraffic?]) => judge(rolloutDefaults.rollbackOn, ...judged);

describe('a rollout’s rules as they are unless set', () => {
  it('are kept by a version that does as well as the one before', () => {
    expect(broken(traffic())).toBeNull();
    expect(broken(traffic({ requests: 100, errors: 2 }, { latencyP95Ms: 6 }))).toBeNull();
  });

  it('are broken by errors and by being much slower than the one before', () => {
    expect(broken(traffic({ errors: 1 }))).toBe('errorRate was 0.05, > 0.02, over 20 requests.');
    expect(broken(traffic({}, { latencyP95Ms: 8 }))).toBe('latencyP95Ratio was 4, > 3, over 20 requests.');
  });

  it('are not broken by rows that do not fit, whoever sends them and however many; nor do these hide an error', () => {
    expect(broken(traffic({ requests: 1000, refused: 1000 }))).toBeNull();
    expect(broken(traffic({ requests: 1000, refused: 980 }))).toBeNull();
    expect(broken(traffic({ requests: 1000, refused: 980, errors: 1 }))).toBe('errorRate was 0.05, > 0.02, over 20 requests.');
    expect(broken(traffic({ requests: 1000, refused: 981, errors: 1 }))).toBeNull(); // too few are left to judge by
  });

  it('compare no speed where the one before was not asked, or answered nothing', () => {
    expect(judge(rolloutDefaults.rollbackOn, traffic({}, { latencyP95Ms: 1000 }), traffic({}, { latencyP95Ms: null }))).toBeNull();
    expect(brokenRule(rolloutDefaults.rollbackOn, { candidate: traffic({}, { latencyP95Ms: 1000 }), stable: undefined, minRequests: 20, score: null })).toBeNull();
  });
});

describe('a rule on what a version refuses', () => {
  const rules = [{ metric: 'refusedRate', op: '>', threshold: 0.1 }] as const;

  it('holds when it refuses more than the one before does, and more than chance would have it', () => {
    expect(judge(rules, traffic({ refused: 20 }))).toBe('refusedRate was 0.772 more than that of the version before, > 0.1, over 20 requests.');
    expect(judge(rules, traffic({ refused: 4 }))).toBeNull();
    expect(judge(rules, traffic({ requests: 200, refused: 40 }), traffic({ requests: 200 }))).toContain('refusedRate was 0.147 more');
  });

  it('does not hold for rubbish that hits both alike', () => {
    expect(judge(rules, traffic({ requests: 1000, refused: 900 }), traffic({ requests: 19_000, refused: 17_000 }))).toBeNull();
    expect(judge(rules, traffic({ refused: 9 }), traffic({ requests: 380, refused: 100 }))).toBeNull(); // 45 % by chance, where 26 % are
  });

  it('waits until both have been asked often enough', () => {
    for (const [ours, theirs] of [[19, 400], [400, 19], [20, 0]] as const) expect(judge(rules, traffic({ requests: ours, refused: ours }), traffic({ requests: theirs }))).toBeNull();
    expect(judge(rules, undefined)).toBeNull();
    expect(judge(rules, traffic({ requests: 1, refused: 1 }), traffic({ requests: 0 }), 0)).toBeNull();
  });
});

it('a rule may hold at its threshold as well', () => {
  expect(judge([{ metric: 'latencyP95Ms', op: '>=', threshold: 2 }], traffic())).toBe('latencyP95Ms was 2, >= 2, over 20 requests.');
  expect(judge([{ metric: 'latencyP95Ms', op: '>', threshold: 2 }], traffic())).toBeNull();
});

it('a rule on a score is judged by the score alone, and by none that is not known', () => {
  const rules = [{ metric: 'accuracy', op: '<', threshold: 0.9 }] as const;
  const score = { labelledRows: 40, valueOf: () => 0.85 };
  const none = { candidate: undefined, stable: undefined, minRequests: 20 };
  expect(brokenRule(rules, { ...none, score })).toBe('accuracy was 0.85, < 0.9, over 40 rows with a known truth.');
  expect(brokenRule(rules, { ...none, score: { ...score, valueOf: () => 0.9 } })).toBeNull();
  expect(brokenRule(rules, { ...none, candidate: traffic(), score: null })).toBeNull();
});

import { brokenRule as findBroken, inWords, type Judged, type RollbackRule } from './rollback-rules.ts';
import { rolloutDefaults } from './rollouts.ts';
import { type RolloutStanding, whatItWaitsFor } from './rollout-waits.ts';
import { answersNothing, type StepTraffic } from './rule-evidence.ts';
import { countRequest, latencyInterval, noTraffic, summariseTraffic, type TrafficCounts, type VersionTraffic } from './traffic.ts';

const brokenRule = (rules: readonly RollbackRule[], judged: Judged): string | null => {
  const found = findBroken(rules, judged);
  return found && inWords(found);
};
/** So many answers took so many milliseconds. */
const answers = (...list: readonly (readonly [count: number, milliseconds: number])[]): TrafficCounts => {
  const counts = noTraffic();
  for (const [count, milliseconds] of list) for (let i = 0; i < count; i++) countRequest(counts, { outcome: 'answered', milliseconds });
  return counts;
};
const traffic = (changes: Partial<TrafficCounts> = {}): VersionTraffic => summariseTraffic('mdv_1', 'CANARY', { ...answers([20, 2]), ...changes });
const waits = (rules: readonly RollbackRule[], step: StepTraffic, changes: Partial<RolloutStanding> = {}) => whatItWaitsFor({ ...step, rules, score: null, seconds: 300, bakeSeconds: 300, ...changes });
const judge = (rules: readonly RollbackRule[], candidate: VersionTraffic | undefined, stable: VersionTraffic | undefined = traffic(answers([380, 2])), minRequests = 20) => {
  const step = { candidate, stable, minRequests };
  return brokenRule(rules, { ...step, score: null }) ?? (waits(rules, step).length ? 'waits' : 'goes on');
};
const judged = (...of: [VersionTraffic | undefined, VersionTraffic?, number?]) => judge(rolloutDefaults.rollbackOn, ...of);

describe('a rollout’s rules as they are unless set', () => {
  it('are kept by a version that does as well as the one before', () => {
    expect(judged(traffic())).toBe('goes on');
    expect(judged(traffic({ ...answers([98, 5.6]), requests: 100, errors: 2 }))).toBe('goes on');
  });

  it('wait for more where a version was unlucky: neither is it rolled back, nor does it go on', () => {
    expect(judged(traffic({ errors: 1 }))).toBe('waits');
    expect(judged(traffic({ requests: 50, errors: 2 }))).toBe('waits');
    expect(judged(traffic({ requests: 50, errors: 1 }))).toBe('goes on'); // as many as the threshold allows
    expect(judged(traffic(answers([18, 2], [2, 100])))).toBe('waits');
  });

  it('are broken by more errors than chance would have it, as soon as that is so', () => {
    expect(judged(traffic({ requests: 3, errors: 3 }))).toBe('errorRate was at least 0.0206, > 0.02, over 3 requests.');
    expect(judged(traffic({ errors: 20 }))).toBe('errorRate was at least 0.276, > 0.02, over 20 requests.');
    expect(judged(traffic({ requests: 1000, errors: 28 }))).toBe('waits');
    expect(judged(traffic({ requests: 1000, errors: 29 }))).toContain('errorRate was at least 0.0203');
  });

  it('are broken by being much slower than the one before', () => {
    expect(judged(traffic(answers([20, 50])))).toBe('latencyP95Ratio was at least 32, > 3, over 20 requests.');
    expect(judged(traffic(answers([19, 50])))).toBe('waits');
    expect(judged(traffic(answers([200, 5])))).toBe('goes on');
    expect(judged(traffic(answers([180, 2], [20, 50])))).toContain('latencyP95Ratio was at least 32');
    expect(judged(traffic(answers([188, 2], [12, 50])))).toBe('waits');
  });

  it('are not broken by rows that do not fit, whoever sends them and however many; nor do these hide an error', () => {
    expect(judged(traffic({ requests: 1000, refused: 1000 }))).toBe('waits');
    expect(judged(traffic({ requests: 1000, refused: 980 }))).toBe('goes on');
    expect(judged(traffic({ requests: 1000, refused: 980, errors: 3 }))).toBe('errorRate was at least 0.0206, > 0.02, over 20 requests.');
  });

  it('compare no speed with too few answers of the one before, and no step ends without', () => {
    expect(judged(traffic(answers([200, 1000])), traffic(answers([72, 2])))).toBe('waits');
    expect(judged(traffic(answers([200, 1000])), traffic(answers([74, 2])))).toContain('latencyP95Ratio');
    for (const few of [noTraffic(), answers([19, 2])]) expect(judged(traffic(), traffic(few))).toBe('waits');
    expect(brokenRule(rolloutDefaults.rollbackOn, { candidate: traffic(answers([200, 1000])), stable: undefined, minRequests: 20, score: null })).toBeNull();
    expect(judged(undefined, traffic(noTraffic()), 0)).toBe('goes on'); // somebody has said that no request need be seen
  });
});

describe('a rule on what a version refuses', () => {
  const rules = [{ metric: 'refusedRate', op: '>', threshold: 0.1 }] as const;
  const few = traffic(answers([20, 2]));

  it('holds when it refuses more than the one before does, and more than chance would have it', () => {
    expect(judge(rules, traffic({ refused: 20 }), few)).toBe('refusedRate was at least 0.772 more than that of the version before, > 0.1, over 20 requests.');
    expect(judge(rules, traffic({ refused: 4 }), few)).toBe('waits');
    expect(judge(rules, traffic({ requests: 22, refused: 2 }), few)).toBe('goes on');
    expect(judge(rules, traffic({ requests: 200, refused: 40 }), traffic({ requests: 200 }))).toContain('refusedRate was at least 0.147 more');
  });

  it('does not hold for rubbish that hits both alike', () => {
    expect(judge(rules, traffic({ requests: 1000, refused: 900 }), traffic({ requests: 19_000, refused: 17_000 }))).toBe('goes on');
    expect(judge(rules, traffic({ refused: 9 }), traffic({ requests: 380, refused: 100 }))).toBe('waits'); // 45 % by chance, where 26 % are
  });

  it('waits until both have been asked often enough', () => {
    for (const [ours, theirs] of [[19, 400], [400, 19], [20, 0]] as const) expect(judge(rules, traffic({ requests: ours, refused: ours }), traffic({ requests: theirs }))).toBe('waits');
    expect(judge(rules, undefined)).toBe('waits');
    expect(judge(rules, traffic({ requests: 1, refused: 1 }), traffic({ requests: 0 }), 0)).toBe('goes on');
  });
});

it('a rule may hold at its threshold as well', () => {
  expect(judge([{ metric: 'errorRate', op: '>=', threshold: 0 }], traffic())).toBe('errorRate was at least 0, >= 0, over 20 requests.');
  expect(judge([{ metric: 'errorRate', op: '>', threshold: 0 }], traffic())).toBe('goes on');
});

it('a latency is held against a threshold by where its class begins', () => {
  const rules = [{ metric: 'latencyP95Ms', op: '>', threshold: 100 }] as const;
  expect(judge(rules, traffic(answers([20, 95])))).toBe('goes on');
  expect(judge(rules, traffic(answers([20, 129])))).toBe('latencyP95Ms was at least 128, > 100, over 20 requests.');
  expect(judge([{ ...rules[0], threshold: 128 }], traffic(answers([20, 129])))).toContain('latencyP95Ms was at least 128');
  expect(judge([{ ...rules[0], threshold: 128 }], traffic(answers([20, 128])))).toBe('goes on');
});

it('a version has answered nothing when all of several requests say so', () => {
  expect([{ requests: 3, errors: 3 }, { requests: 4, errors: 4 }, { requests: 40, errors: 39 }].map((counts) => answersNothing(traffic(counts)))).toEqual([false, true, false]);
  expect(answersNothing(undefined)).toBe(false);
});

/** Of n answers, those that chance may put beyond the 95th percentile: by the binomial distribution, as order statistics have it. */
it.each([50, 100, 400])('the interval of a percentile leaves it out on either side in few of 100 cases, over %d answers', (total) => {
  const chances = Array.from({ length: total + 1 }, () => 0);
  chances[0] = 0.95 ** total;
  for (let slow = 1; slow <= total; slow++) chances[slow] = (chances[slow - 1]! * (total - slow + 1) * 0.05) / (slow * 0.95);
  const missed = { tooHigh: 0, tooLow: 0 };
  for (const [slow, chance] of chances.entries()) {
    const { lower, upper } = latencyInterval(answers([total - slow, 2], [slow, 8]).latencies, 0.95)!;
    if (lower > 2) missed.tooHigh += chance; // it is 2 where 5 % take longer
    if (upper === 2) missed.tooLow += chance; // and may be 8 where a little more do
  }
  expect(missed.tooHigh).toBeLessThan(0.045);
  expect(missed.tooLow).toBeLessThan(0.03);
});

it('a rule on a score is judged by the score alone, and by none that is not known', () => {
  const rules = [{ metric: 'accuracy', op: '<', threshold: 0.9 }] as const;
  const score = { labelledRows: 40, neededRows: 30, valueOf: () => 0.85 };
  const none = { candidate: undefined, stable: undefined, minRequests: 20 };
  expect(brokenRule(rules, { ...none, score })).toBe('accuracy was 0.85, < 0.9, over 40 rows with a known truth.');
  expect(brokenRule(rules, { ...none, score: { ...score, valueOf: () => 0.9 } })).toBeNull();
  expect(brokenRule(rules, { ...none, candidate: traffic(), score: null })).toBeNull();
  expect(brokenRule(rules, { ...none, score: { ...score, labelledRows: 29 } })).toBeNull();
  const undefinedToo = [{ metric: 'rocAuc', op: '<', threshold: 0.8 }, ...rules] as const;
  expect(brokenRule(undefinedToo, { ...none, score: { ...score, valueOf: (metric) => (metric === 'rocAuc' ? null : 0.1) } })).toContain('accuracy was 0.1');
});

describe('a rollout says what it waits for', () => {
  const few = { candidate: traffic(answers([12, 2])), stable: traffic(answers([5, 2])), minRequests: 20 };

  it('its time, its requests, and those of the version before where they are compared', () => {
    expect(waits(rolloutDefaults.rollbackOn, few, { seconds: 290 })).toEqual([
      { kind: 'TIME', rule: null, has: 290, needs: 300 },
      { kind: 'REQUESTS', rule: null, has: 12, needs: 20 },
    ]);
    const [, ratio] = rolloutDefaults.rollbackOn;
    expect(waits(rolloutDefaults.rollbackOn, { ...few, candidate: traffic() })).toEqual([{ kind: 'PREVIOUS_REQUESTS', rule: ratio, has: 5, needs: 20 }]);
  });

  it('what was measured beyond a rule and may be chance', () => {
    const [errors] = rolloutDefaults.rollbackOn;
    expect(waits(rolloutDefaults.rollbackOn, { ...few, candidate: traffic({ errors: 1 }), stable: traffic() })).toEqual([{ kind: 'DOUBT', rule: errors, has: 0.05, needs: 0.02 }]);
  });

  it('truths, and a score that is not defined by those that are known', () => {
    const rules = [{ metric: 'rocAuc', op: '<', threshold: 0.9 }] as const;
    const enough = { ...few, minRequests: 0 };
    const score = { labelledRows: 12, neededRows: 30, valueOf: () => null };
    expect(waits(rules, enough, { score })).toEqual([{ kind: 'LABELS', rule: rules[0], has: 12, needs: 30 }]);
    expect(waits(rules, enough, { score: { ...score, labelledRows: 30 } })).toEqual([{ kind: 'SCORE', rule: rules[0], has: null, needs: 0.9 }]);
    expect(waits(rules, enough, { score: { ...score, labelledRows: 30, valueOf: () => 0.95 } })).toEqual([]);
  });
});

import { forecastStarts, type QueueSnapshot, type TenantInQueue } from './queue-forecast.ts';

const tenant = (tenantId: string, change: Partial<TenantInQueue> = {}): TenantInQueue => ({
  tenantId,
  weight: 1,
  maxRunning: 10,
  isSpent: false,
  turns: { any: { vtime: 0, waiting: false }, gpu: { vtime: 0, waiting: false } },
  usualSeconds: 60,
  ...change,
});

const run = (id: string, needsGpu = false): QueueSnapshot['queued'][number] => ({ id, tenantId: id[0]!, needsGpu, notBeforeSeconds: 0 });

const forecast = (change: Partial<QueueSnapshot>) =>
  Object.fromEntries(
    forecastStarts({ takenAt: new Date(0), workers: [{ name: 'w', places: 1, gpu: false }], tenants: [tenant('a')], queued: [], running: [], ...change }),
  );

describe('a forecast', () => {
  it('plays the queue forward: what is at work ends when it usually does, then the next', () => {
    const queued = ['a1', 'a2', 'a3'].map((id) => run(id));
    expect(forecast({ queued })).toEqual({ a1: 0, a2: 60, a3: 120 });
    expect(forecast({ queued, running: [{ tenantId: 'a', worker: 'w', forSeconds: 45 }] })).toEqual({ a1: 15, a2: 75, a3: 135 });
    expect(forecast({ queued, workers: [{ name: 'w', places: 2, gpu: false }] })).toEqual({ a1: 0, a2: 0, a3: 60 });
  });

  it('takes turns by weight, as the claim does', () => {
    const queued = ['a1', 'b1', 'a2', 'b2', 'b3', 'b4'].map((id) => run(id));
    const starts = forecast({ queued, tenants: [tenant('a'), tenant('b', { weight: 2, usualSeconds: 10 })] });
    expect(Object.entries(starts).sort(([, one], [, other]) => one - other).map(([id]) => id[0]).join('')).toBe('babbab');
  });

  it('keeps a tenant within its runs at once, and lets others pass', () => {
    const queued = ['a1', 'a2', 'b1'].map((id) => run(id));
    const starts = forecast({ queued, tenants: [tenant('a', { maxRunning: 1 }), tenant('b')], workers: [{ name: 'w', places: 2, gpu: false }] });
    expect(starts).toEqual({ a1: 0, b1: 0, a2: 60 });
  });

  it('says nothing of what no worker may take, and lets it hold up nothing', () => {
    const queued = [run('a1', true), run('a2')];
    expect(forecast({ queued })).toEqual({ a2: 0 });
    expect(forecast({ queued, workers: [{ name: 'w', places: 1, gpu: true }] })).toEqual({ a1: 0, a2: 60 });
    expect(forecast({ queued, workers: [] })).toEqual({});
    expect(forecast({ queued, tenants: [tenant('a', { isSpent: true })] })).toEqual({});
  });

  it('says nothing of what waits for a run of which nobody knows how long it takes', () => {
    const queued = ['a1', 'a2'].map((id) => run(id));
    expect(forecast({ queued, tenants: [tenant('a', { usualSeconds: null })] })).toEqual({ a1: 0 });
  });

  it('waits for the next attempt of what failed', () => {
    expect(forecast({ queued: [{ ...run('a1'), notBeforeSeconds: 8 }, run('a2')] })).toEqual({ a2: 0, a1: 60 });
    expect(forecast({ queued: [{ ...run('a1'), notBeforeSeconds: 8 }] })).toEqual({ a1: 8 });
  });
});

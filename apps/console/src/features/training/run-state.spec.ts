import { formatSoon, whereabouts } from './run-state.tsx';

const queued = (queue: Partial<NonNullable<Parameters<typeof whereabouts>[0]['queue']>>) =>
  whereabouts({
    status: 'QUEUED',
    progress: null,
    queue: { __typename: 'QueuePlace', position: 0, estimatedStart: null, waitsFor: 'TURN', reason: 'A reason.', ...queue },
  });

describe('a queued run, in words', () => {
  it('says how many of one’s own go first, and that nothing is known of its start', () => {
    expect(queued({ position: 2 })).toBe('Waiting: 2 of your runs go first. No estimate of its start.');
    expect(queued({})).toBe('Waiting for a worker. No estimate of its start.');
  });

  it('says what it waits for, where that is no turn', () => {
    expect(queued({ waitsFor: 'NO_GPU_WORKER', reason: 'No worker with a GPU is alive.', position: 3 })).toBe('No worker with a GPU is alive. No estimate of its start.');
  });

  it('gives an estimate as roughly as it is known', () => {
    const at = (minutes: number) => formatSoon(new Date(minutes * 60_000).toISOString(), 0);
    expect([-5, 0.4, 1, 12.3, 200].map(at)).toEqual(['within a minute', 'within a minute', 'in about 1 minute', 'in about 12 minutes', 'in about 3 hours']);
  });
});

import { jest } from '@jest/globals';
import { HashingGate } from './hashing-gate.ts';

describe('the gate', () => {
  /** Work that stays until it is let go. */
  function held(): { work: () => Promise<string>; release: () => void } {
    let release = (): void => undefined;
    const released = new Promise<string>((resolve) => (release = () => resolve('done')));
    return { work: () => released, release };
  }

  it('keeps places in the queue for others than the one who floods it', async () => {
    const gate = new HashingGate({ places: 1, waiting: 4, waitingOfOne: 2, rest: 0 });
    const flood = held();
    const attempt = (address: string) => gate.run(address, flood.work);
    const admitted = [attempt('10.0.0.1'), attempt('10.0.0.1'), attempt('10.0.0.1')]; // one inside, two waiting
    for (let i = 0; i < 50; i++) await expect(attempt('10.0.0.1')).rejects.toMatchObject({ code: 'TOO_MANY_REQUESTS' });
    const others = [attempt('10.0.0.2'), gate.run(undefined, flood.work)];
    await expect(attempt('10.0.0.3')).rejects.toMatchObject({ code: 'TOO_MANY_REQUESTS' }); // now the queue itself is full
    flood.release();
    expect(await Promise.all([...admitted, ...others])).toEqual(Array(5).fill('done'));
  });

  it('takes a whole IPv6 network for one', async () => {
    const gate = new HashingGate({ places: 1, waiting: 4, waitingOfOne: 1, rest: 0 });
    const flood = held();
    const admitted = [gate.run('2001:db8::1', flood.work), gate.run('2001:db8::2', flood.work)];
    await expect(gate.run('2001:db8::3', flood.work)).rejects.toMatchObject({ code: 'TOO_MANY_REQUESTS' });
    admitted.push(gate.run('2001:db8:0:1::1', flood.work));
    flood.release();
    await Promise.all(admitted);
  });

  it('gives a place on when the work fails', async () => {
    const gate = new HashingGate({ places: 1, waiting: 1, waitingOfOne: 1, rest: 0 });
    const first = gate.run('a', () => Promise.reject(new Error('broken')));
    const second = gate.run('b', () => Promise.resolve('done'));
    await expect(first).rejects.toThrow('broken');
    expect(await second).toBe('done');
    expect(await gate.run('c', () => Promise.resolve('done'))).toBe('done');
  });

  it('tells beforehand whether there is room', async () => {
    const gate = new HashingGate({ places: 1, waiting: 2, waitingOfOne: 1, rest: 0 });
    const flood = held();
    expect(gate.hasRoomFor('10.0.0.1')).toBe(true);
    const admitted = [gate.run('10.0.0.1', flood.work), gate.run('10.0.0.1', flood.work)];
    expect([gate.hasRoomFor('10.0.0.1'), gate.hasRoomFor('10.0.0.2')]).toEqual([false, true]);
    admitted.push(gate.run('10.0.0.2', flood.work));
    expect([gate.hasRoomFor('10.0.0.3'), gate.hasRoomFor(undefined)]).toEqual([false, false]);
    flood.release();
    await Promise.all(admitted);
    expect(gate.hasRoomFor('10.0.0.1')).toBe(true);
  });

  it('rests as long as it has worked while others wait, and not at all for one alone', async () => {
    jest.useFakeTimers();
    try {
      const gate = new HashingGate({ places: 1, waiting: 2, waitingOfOne: 2, rest: 1 });
      const [first, second] = [held(), held()];
      const entered = jest.fn(second.work);
      const running = [gate.run('a', first.work), gate.run('b', entered)];
      await jest.advanceTimersByTimeAsync(20);
      first.release();
      await jest.advanceTimersByTimeAsync(19);
      expect(entered).not.toHaveBeenCalled();
      await jest.advanceTimersByTimeAsync(1);
      expect(entered).toHaveBeenCalled();
      second.release();
      await Promise.all(running);
      expect(await gate.run('c', () => Promise.resolve('at once'))).toBe('at once');
    } finally {
      jest.useRealTimers();
    }
  });
});

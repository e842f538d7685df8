import { HashingGate } from './hashing-gate.ts';

describe('the gate', () => {
  /** Work that stays until it is let go. */
  function held(): { work: () => Promise<string>; release: () => void } {
    let release = (): void => undefined;
    const released = new Promise<string>((resolve) => (release = () => resolve('done')));
    return { work: () => released, release };
  }

  it('keeps places in the queue for others than the one who floods it', async () => {
    const gate = new HashingGate({ places: 1, waiting: 4, waitingOfOne: 2 });
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
    const gate = new HashingGate({ places: 1, waiting: 4, waitingOfOne: 1 });
    const flood = held();
    const admitted = [gate.run('2001:db8::1', flood.work), gate.run('2001:db8::2', flood.work)];
    await expect(gate.run('2001:db8::3', flood.work)).rejects.toMatchObject({ code: 'TOO_MANY_REQUESTS' });
    admitted.push(gate.run('2001:db8:0:1::1', flood.work));
    flood.release();
    await Promise.all(admitted);
  });

  it('gives a place on when the work fails', async () => {
    const gate = new HashingGate({ places: 1, waiting: 1, waitingOfOne: 1 });
    const first = gate.run('a', () => Promise.reject(new Error('broken')));
    const second = gate.run('b', () => Promise.resolve('done'));
    await expect(first).rejects.toThrow('broken');
    expect(await second).toBe('done');
    expect(await gate.run('c', () => Promise.resolve('done'))).toBe('done');
  });
});

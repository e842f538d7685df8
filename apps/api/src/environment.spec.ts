import { createHash, randomBytes } from 'node:crypto';
import { readEnvironment } from './environment.ts';

const random = (): string => randomBytes(32).toString('base64url');
const complete = {
  MILLRACE_APP_DATABASE_URL: 'postgresql://millrace_app@localhost/millrace',
  MILLRACE_SYSTEM_DATABASE_URL: 'postgresql://millrace_system@localhost/millrace',
  MILLRACE_STORAGE_DIRECTORY: '/somewhere',
  MILLRACE_TOKEN_SECRET: random(),
  MILLRACE_KEY_PEPPER: random(),
  MILLRACE_MASTER_KEY: random(),
};
const problemsOf = (changes: Record<string, string>): string[] => {
  const result = readEnvironment({ ...complete, ...changes });
  return result.type === 'invalid' ? result.problems : [];
};

describe('the master key', () => {
  it('may be accompanied by retired ones', () => {
    const [one, two] = [random(), random()];
    const result = readEnvironment({ ...complete, MILLRACE_RETIRED_MASTER_KEYS: `${one}, ${two}` });
    expect(result.type === 'valid' && result.value.MILLRACE_RETIRED_MASTER_KEYS.map((key) => key.reveal())).toEqual([one, two]);
    expect(readEnvironment(complete)).toMatchObject({ type: 'valid', value: { MILLRACE_RETIRED_MASTER_KEYS: [] } });
  });

  it('is required, of the right length, random, and not used for something else as well', () => {
    const short = randomBytes(16).toString('base64url');
    expect(problemsOf({ MILLRACE_MASTER_KEY: '' })).toEqual([expect.stringMatching(/^MILLRACE_MASTER_KEY: is missing.*openssl/)]);
    expect(problemsOf({ MILLRACE_MASTER_KEY: short })).toEqual([expect.stringMatching(/^MILLRACE_MASTER_KEY: must be 32 random bytes/)]);
    expect(problemsOf({ MILLRACE_MASTER_KEY: 'A'.repeat(43) })).toEqual([expect.stringMatching(/^MILLRACE_MASTER_KEY: is no random key/)]);
    for (const other of [complete.MILLRACE_TOKEN_SECRET, complete.MILLRACE_KEY_PEPPER]) {
      expect(problemsOf({ MILLRACE_MASTER_KEY: other })).toEqual([expect.stringMatching(/^MILLRACE_MASTER_KEY: must differ/)]);
    }
    expect(problemsOf({ MILLRACE_RETIRED_MASTER_KEYS: `${random()},${short}` })).toEqual([expect.stringMatching(/^MILLRACE_RETIRED_MASTER_KEYS.*must be 32/)]);
  });

  it('is repeated in no complaint', () => {
    const weak = createHash('sha256').update('x').digest('base64url').slice(1);
    expect(problemsOf({ MILLRACE_MASTER_KEY: weak, MILLRACE_RETIRED_MASTER_KEYS: weak }).join()).not.toContain(weak.slice(0, 8));
  });
});

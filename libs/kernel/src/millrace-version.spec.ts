import { readFileSync } from 'node:fs';
import path from 'node:path';
import { millraceVersion } from './millrace-version.ts';

it('is that of the package', () => {
  const { version } = JSON.parse(readFileSync(path.join(import.meta.dirname, '../../../package.json'), 'utf8')) as { version: string };
  expect(millraceVersion).toBe(version);
});

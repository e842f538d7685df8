import { existsSync } from 'node:fs';
import { type Browser, chromium } from 'playwright-core';

const candidates = [process.env['MILLRACE_CHROMIUM'], '/usr/bin/chromium', '/usr/bin/google-chrome'];
const executablePath = candidates.find((candidate) => candidate !== undefined && existsSync(candidate));

/** `describe` of what needs a real browser, skipped with a loud line where there is none. @param what as in "… not tried" */
export function describeWithBrowser(what: string): jest.Describe {
  if (executablePath) return describe;
  console.warn(
    `SKIPPED: ${what} not tried in a real browser, because there is no Chromium here. ` +
      'Install one (Debian: apt-get install --no-install-recommends chromium) or name it in MILLRACE_CHROMIUM.',
  );
  return describe.skip;
}

export function launchBrowser(): Promise<Browser> {
  return chromium.launch({ executablePath: executablePath!, args: ['--no-sandbox', '--disable-dev-shm-usage'] });
}

import { createHmac } from 'node:crypto';
import fs from 'node:fs/promises';
import path from 'node:path';
import { startProduct } from '@millrace/testkit';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import { describeWithBrowser, launchBrowser } from './browser.ts';

const results = path.join(import.meta.dirname, '../test-results/identity');
const password = 'seven wet boats at noon';
const newPassword = 'eight dry carts at dusk';

describeWithBrowser('tenants and people are')('tenants, people and keys, in real browsers against a really started product', () => {
  let product: Awaited<ReturnType<typeof startProduct>>;
  let browser: Browser;
  /** the owner of the first tenant */
  let owner: Page;
  /** somebody whom they invite, on a machine of their own */
  let guestContext: BrowserContext;
  let guest: Page;
  let shots = 0;
  let secret = '';
  let recoveryCode = '';
  const complaints: string[] = [];

  beforeAll(async () => {
    await fs.rm(results, { recursive: true, force: true });
    await fs.mkdir(results, { recursive: true });
    product = await startProduct({ environment: { MILLRACE_TRUSTED_DOCUMENTS: 'all' } });
    browser = await launchBrowser();
    owner = await openPage(await browser.newContext({ viewport: { width: 1360, height: 900 } }));
    guestContext = await browser.newContext({ viewport: { width: 1360, height: 900 } });
    guest = await openPage(guestContext);
  });

  afterAll(async () => {
    for (const [name, page] of [['owner', owner], ['guest', guest]] as const) {
      if (page && !page.isClosed()) await page.screenshot({ path: path.join(results, `last-${name}.png`), fullPage: true }).catch(() => undefined);
    }
    await browser?.close();
    await product?.stop();
  });

  async function openPage(context: BrowserContext): Promise<Page> {
    const page = await context.newPage();
    page.setDefaultTimeout(60_000);
    page.on('pageerror', (error) => complaints.push(String(error)));
    page.on('console', (message) => {
      if (message.type() === 'error') complaints.push(message.text());
    });
    return page;
  }

  async function keep(page: Page, name: string) {
    shots++;
    await page.screenshot({ path: path.join(results, `${String(shots).padStart(2, '0')}-${name}.png`), fullPage: true });
  }

  const address = (at: string) => new URL(at, product.consoleUrl).href;
  const follow = (page: Page, name: string) => page.getByRole('navigation', { name: 'Main' }).getByRole('link', { name, exact: true }).click();
  const answerTo = (page: Page, operationName: string) =>
    page.waitForResponse((response) => response.request().postData()?.includes(`"${operationName}"`) ?? false);
  const heading = (page: Page, name: string) => page.getByRole('heading', { level: 1, name, exact: true });
  const code = () => codeOfApp(secret, Math.floor(Date.now() / 30_000));

  async function signIn(page: Page, email: string, secretWord: string) {
    await page.goto(address('/sign-in'));
    await page.getByLabel('Email').fill(email);
    await page.getByLabel('Password').fill(secretWord);
    await page.getByRole('button', { name: 'Sign in', exact: true }).click();
  }

  async function signOut(page: Page) {
    await page.getByRole('button', { name: 'Sign out', exact: true }).click();
    await heading(page, 'Sign in').waitFor();
  }

  it('lets the owner in with cookies only: no script can read a token', async () => {
    await signIn(owner, product.owner.email, product.owner.password);
    await heading(owner, 'Overview').waitFor();
    const seen = await owner.evaluate(() => JSON.stringify([document.cookie, { ...localStorage }, { ...sessionStorage }]));
    expect(seen).not.toMatch(/eyJ|millrace_(access|refresh)/);
    const cookies = await owner.context().cookies();
    expect(cookies.map(({ name, httpOnly, sameSite }) => ({ name, httpOnly, sameSite })).sort((a, b) => a.name.localeCompare(b.name))).toEqual([
      { name: 'millrace_access', httpOnly: true, sameSite: 'Strict' },
      { name: 'millrace_refresh', httpOnly: true, sameSite: 'Strict' },
    ]);
  });

  it('invites somebody, who comes in on another machine by the link', async () => {
    await follow(owner, 'Members');
    await heading(owner, 'Members').waitFor();
    await owner.getByRole('button', { name: 'Invite somebody' }).click();
    await owner.getByRole('textbox', { name: 'Email' }).fill('ada@factory.example');
    await owner.getByLabel('Role', { exact: true }).selectOption('VIEWER');
    await keep(owner, 'invite');
    await owner.getByRole('button', { name: 'Make the invitation' }).click();
    const link = (await owner.getByLabel('Invitation link', { exact: true }).innerText()).trim();
    await keep(owner, 'invitation-link');
    await owner.getByRole('button', { name: 'I have copied it' }).click();
    expect(await owner.locator('body').innerText()).not.toContain(link.split('=')[1]);

    await guest.goto(link);
    await heading(guest, 'Join Factory').waitFor();
    expect(guest.url()).toBe(address('/invitation'));
    await guest.getByLabel('Your name').fill('Ada Lane');
    await guest.getByLabel('Password').fill('short');
    await guest.getByRole('button', { name: 'Accept the invitation' }).click();
    await guest.locator('input[aria-invalid=true]').waitFor();
    await keep(guest, 'invitation-refused');
    await guest.getByLabel('Password').fill(password);
    await guest.getByRole('button', { name: 'Accept the invitation' }).click();
    await heading(guest, 'Overview').waitFor();
    await keep(guest, 'invited-overview');
    expect(await guest.getByRole('navigation', { name: 'Main' }).getByRole('link', { name: 'API keys' }).count()).toBe(0);
    expect(await guest.getByRole('link', { name: 'Upload a data set' }).count()).toBe(0);
  });

  it('gives another role, which holds where the person is already signed in', async () => {
    await owner.reload();
    // Her row is there before and after: only the answer says that the role has changed.
    await Promise.all([
      answerTo(owner, 'ChangeMemberRole'),
      owner.getByLabel('Role of Ada Lane').selectOption('ADMIN'),
    ]);
    await keep(owner, 'members');
    await guest.reload();
    await follow(guest, 'API keys');
    await guest.getByRole('button', { name: 'Create API key' }).first().waitFor();
  });

  it('sets up a second factor with a QR code, and shows the recovery codes once', async () => {
    await guest.getByRole('link', { name: 'Your account' }).click();
    await guest.getByRole('button', { name: 'Set up a second factor' }).click();
    await guest.getByRole('dialog').getByLabel('Password').fill(password);
    await guest.getByRole('button', { name: 'Go on' }).click();
    await guest.getByRole('img', { name: 'QR code for your authenticator app' }).waitFor();
    secret = (await guest.getByLabel('Secret, to type in by hand', { exact: true }).innerText()).replaceAll(/\s/g, '');
    await keep(guest, 'second-factor');
    await guest.getByLabel('Code from the app').fill(code());
    await guest.getByRole('button', { name: 'Turn it on' }).click();
    const codes = (await guest.getByLabel('Recovery codes', { exact: true }).innerText()).trim().split('\n');
    expect(codes).toHaveLength(10);
    recoveryCode = codes[0]!;
    await keep(guest, 'recovery-codes');
    await guest.getByRole('button', { name: 'I have kept them' }).click();
    await guest.getByRole('button', { name: 'Remove the second factor' }).waitFor();
    await keep(guest, 'account');
    expect(await guest.locator('body').innerText()).not.toContain(recoveryCode);
  });

  it('asks for the second factor at the next sign-in', async () => {
    await signOut(guest);
    await signIn(guest, 'ada@factory.example', password);
    await heading(guest, 'Second factor').waitFor();
    await guest.getByLabel('Code').fill('000000');
    await guest.getByRole('button', { name: 'Sign in', exact: true }).click();
    await guest.getByRole('alert').waitFor();
    await keep(guest, 'code-refused');
    await guest.getByLabel('Code').fill(recoveryCode);
    await guest.getByRole('button', { name: 'Sign in', exact: true }).click();
    await heading(guest, 'Overview').waitFor();
  });

  it('keeps the session of two tabs that refresh at the same moment', async () => {
    const second = await openPage(guestContext);
    await second.goto(address('/models'));
    await heading(second, 'Models').waitFor();
    // Either may be first, and the other may see a little later what that one has stored: then both refresh, one after the
    // other. At once they must not: a refresh cookie that is used twice ends the session.
    const refreshed = Promise.race([guest, second].map((page) => page.waitForResponse((response) => response.request().postData()?.includes('mutation RefreshSession') ?? false)));
    // As after ten minutes: the access cookie is gone, and both tabs know it.
    await guestContext.clearCookies({ name: 'millrace_access' });
    await guest.evaluate(() => {
      const kept = JSON.parse(localStorage.getItem('millrace.session')!) as object;
      localStorage.setItem('millrace.session', JSON.stringify({ ...kept, goodUntil: 0 }));
    });
    await Promise.all([follow(guest, 'Training runs'), follow(second, 'Endpoints')]);
    await Promise.all([guest.getByText('No training runs yet').or(guest.getByText('No runs yet')).first().waitFor(), second.getByText('No endpoints yet').waitFor()]);
    await refreshed;
    await Promise.all([guest.reload(), second.reload()]);
    await Promise.all([heading(guest, 'Training runs').waitFor(), heading(second, 'Endpoints').waitFor()]);

    await signOut(second);
    await heading(guest, 'Sign in').waitFor();
    await second.close();
  });

  it('lets an operator go to the platform, and make a link for a new password', async () => {
    await guest.getByRole('link', { name: 'Forgot password?' }).click();
    await guest.getByText('This server sends no mail').waitFor();
    await keep(guest, 'forgot-password');

    await owner.getByRole('link', { name: 'Your account' }).click();
    await owner.getByRole('button', { name: /^Switch to / }).click();
    await heading(owner, 'Tenants').waitFor();
    await owner.getByRole('cell', { name: 'Factory' }).first().waitFor();
    await keep(owner, 'platform-tenants');
    await follow(owner, 'Logins');
    await owner.getByRole('region', { name: 'Link for a new password' }).getByLabel('Email').fill('ada@factory.example');
    await owner.getByRole('button', { name: 'Make the link' }).click();
    const link = (await owner.getByLabel('Password link', { exact: true }).innerText()).trim();
    await keep(owner, 'password-link');

    await guest.goto(link);
    await heading(guest, 'New password').waitFor();
    expect(guest.url()).toBe(address('/reset'));
    await guest.getByLabel('New password').fill(newPassword);
    await guest.getByRole('button', { name: 'Set password' }).click();
    await guest.getByText('The new password is set').waitFor();
    await keep(guest, 'password-set');
    await guest.getByRole('link', { name: 'Go to sign-in' }).click();
    await signIn(guest, 'ada@factory.example', newPassword);
    await heading(guest, 'Second factor').waitFor();
    // The code that confirmed the app is used up, and the next one is good a step ahead.
    await guest.getByLabel('Code').fill(codeOfApp(secret, Math.floor(Date.now() / 30_000) + 1));
    await guest.getByRole('button', { name: 'Sign in', exact: true }).click();
    await heading(guest, 'Overview').waitFor();
  });

  it('creates a tenant whose owner comes in by a link, and is out with the next click when it is suspended', async () => {
    await follow(owner, 'Plans');
    await owner.getByRole('button', { name: 'Create plan' }).first().click();
    await owner.getByLabel('Name', { exact: true }).fill('small');
    await owner.getByLabel(/^Active runs/).fill('2');
    await owner.getByRole('button', { name: 'Save' }).click();
    await owner.getByRole('cell', { name: 'small', exact: true }).waitFor();
    await keep(owner, 'plans');

    await follow(owner, 'Tenants');
    await owner.getByRole('button', { name: 'Create tenant' }).first().click();
    await owner.getByLabel('Name', { exact: true }).fill('Harbour');
    await owner.getByLabel('Email of the owner').fill('bo@harbour.example');
    await owner.getByLabel('Plan').selectOption('small');
    await owner.getByRole('button', { name: 'Create', exact: true }).click();
    const link = (await owner.getByLabel('Invitation link', { exact: true }).innerText()).trim();
    await owner.getByRole('button', { name: 'I have copied it' }).click();

    const other = await openPage(await browser.newContext({ viewport: { width: 1360, height: 900 } }));
    await other.goto(link);
    await other.getByLabel('Your name').fill('Bo Quay');
    await other.getByLabel('Password').fill(password);
    await other.getByRole('button', { name: 'Accept the invitation' }).click();
    await heading(other, 'Overview').waitFor();

    await owner.getByRole('button', { name: 'Manage Harbour' }).click();
    await owner.getByRole('button', { name: 'Suspend' }).waitFor();
    await keep(owner, 'manage-tenant');
    await owner.getByRole('button', { name: 'Suspend' }).click();
    await owner.getByLabel('Why is Harbour suspended?').fill('the invoice is late');
    await owner.getByRole('button', { name: 'Suspend now' }).click();
    await owner.getByRole('button', { name: 'Resume' }).waitFor();
    await follow(other, 'Members');
    await heading(other, 'Sign in').waitFor();
    await keep(other, 'suspended-out');
    await signIn(other, 'bo@harbour.example', password);
    await other.getByRole('alert').waitFor();

    await owner.getByRole('button', { name: 'Resume' }).click();
    await owner.getByRole('button', { name: 'Suspend' }).waitFor();
    await signIn(other, 'bo@harbour.example', password);
    await heading(other, 'Overview').waitFor();
    await other.close();
  });

  it('looks into a tenant with a grant, under a banner that says so, and the tenant reads it', async () => {
    await owner.getByLabel('What you look for').fill('a run that has failed, see ticket 12');
    await owner.getByRole('button', { name: 'Take an access grant' }).click();
    await heading(owner, 'Access grants').waitFor();
    await keep(owner, 'access-grants');
    await owner.getByRole('button', { name: 'Look into Harbour' }).click();
    await heading(owner, 'Overview').waitFor();
    await owner.getByText(/^You look into Harbour as an operator until .+, every act is recorded\.$/).waitFor();
    await keep(owner, 'grant-banner');
    await owner.getByRole('button', { name: 'End', exact: true }).click();
    await heading(owner, 'Sign in').waitFor();

    const other = await openPage(await browser.newContext({ viewport: { width: 1360, height: 900 } }));
    await signIn(other, 'bo@harbour.example', password);
    await heading(other, 'Overview').waitFor();
    await follow(other, 'Members');
    await other.getByText('a run that has failed, see ticket 12').waitFor();
    await other.getByRole('button', { name: /^End the access of / }).click();
    await other.getByText('Over', { exact: true }).waitFor();
    await keep(other, 'operators-access');
    await other.close();
  });

  it('shows the other rooms without a refusal, and exports the trail', async () => {
    await signIn(owner, product.owner.email, product.owner.password);
    await heading(owner, 'Overview').waitFor();
    for (const room of ['Members', 'Single sign-on', 'Usage and quota', 'Audit trail', 'Permissions', 'Tenant settings', 'API keys']) {
      await follow(owner, room);
      await heading(owner, room).waitFor();
      await owner.getByText(/^Loading /).first().waitFor({ state: 'detached' });
      expect({ room, refusals: await owner.getByRole('alert').allInnerTexts() }).toEqual({ room, refusals: [] });
      await keep(owner, room.toLowerCase().replaceAll(' ', '-'));
    }
    await follow(owner, 'Audit trail');
    await owner.getByText('Verified', { exact: true }).waitFor();
    await owner.getByLabel('Action').fill('invitation.');
    await owner.getByRole('button', { name: 'Filter' }).click();
    await owner.getByRole('cell', { name: 'session.open', exact: true }).first().waitFor({ state: 'detached' });
    await owner.getByRole('cell', { name: 'invitation.accept' }).waitFor();
    await keep(owner, 'audit-filtered');
    const downloads = owner.waitForEvent('download');
    await owner.getByRole('link', { name: 'Export JSONL' }).click();
    const lines = (await fs.readFile(await (await downloads).path(), 'utf8')).trim().split('\n');
    expect(lines.map((line) => (JSON.parse(line) as { action: string }).action)).toContain('member.role');
  });

  it('renames and exports the tenant, and asks for its name before it is deleted', async () => {
    await follow(owner, 'Tenant settings');
    await owner.getByLabel('Name of the tenant').fill('Factory Two');
    await owner.getByRole('button', { name: 'Rename' }).click();
    await owner.getByRole('complementary').getByText('Factory Two').waitFor();
    const downloads = owner.waitForEvent('download');
    await owner.getByRole('link', { name: 'Export everything' }).click();
    const archive = await fs.readFile(await (await downloads).path());
    expect(archive.subarray(257, 262).toString()).toBe('ustar');
    expect(await owner.getByRole('button', { name: 'Delete the tenant' }).isDisabled()).toBe(true);
  });

  it('makes, rotates and blocks a key', async () => {
    await follow(owner, 'API keys');
    await owner.getByRole('button', { name: 'Create API key' }).first().click();
    await owner.getByLabel('Name', { exact: true }).fill('gateway');
    await owner.getByLabel(/^Addresses/).fill('not an address');
    await owner.getByRole('button', { name: 'Create key' }).click();
    await owner.locator('input[aria-invalid=true]').waitFor();
    await keep(owner, 'key-refused');
    await owner.getByLabel(/^Addresses/).fill('192.0.2.7');
    await owner.getByLabel(/^Requests a minute/).fill('60');
    await owner.getByRole('button', { name: 'Create key' }).click();
    const first = (await owner.getByLabel('API key', { exact: true }).innerText()).trim();
    await owner.getByRole('button', { name: 'I have copied it' }).click();
    await owner.getByText('60 a minute; from 192.0.2.7').waitFor();
    await owner.getByRole('button', { name: 'Rotate gateway' }).click();
    await owner.getByRole('button', { name: 'Rotate key' }).click();
    const second = (await owner.getByLabel('API key', { exact: true }).innerText()).trim();
    expect(second).not.toBe(first);
    await owner.getByRole('button', { name: 'I have copied it' }).click();
    await owner.getByText(/^former text until /).waitFor();
    await owner.getByRole('button', { name: 'Block gateway' }).click();
    await owner.getByText('Blocked', { exact: true }).waitFor();
    await keep(owner, 'keys');
  });

  it('says when to try again after too many attempts', async () => {
    await signOut(owner);
    for (let attempt = 0; attempt < 6; attempt++) {
      await signIn(owner, 'nobody@factory.example', `guess number ${attempt}`);
      await owner.getByRole('alert').waitFor();
    }
    expect(await owner.getByRole('alert').innerText()).toMatch(/too many attempts\.\s+Try again in \d+ seconds\./);
    await keep(owner, 'too-many-attempts');
    await owner.goto(address('/sign-in?sso=no_role'));
    await owner.getByText('You are in no group that has a role here.').waitFor();
    await keep(owner, 'sso-refused');
    await owner.getByRole('button', { name: 'Sign in with your company' }).click();
    await owner.getByText('Enter your email above first').waitFor();
    await owner.getByLabel('Email').fill('eve@elsewhere.example');
    await owner.getByRole('button', { name: 'Sign in with your company' }).click();
    await owner.getByText('No tenant lets this email address in by single sign-on.').waitFor();
  });

  it('did all of this without an error in the browser, but for what the server refused', () => {
    expect(complaints.filter((complaint) => !/Failed to load resource: the server responded with a status of (401|403|429)/.test(complaint))).toEqual([]);
  });
});

/** What an authenticator app shows in a step of thirty seconds (RFC 6238, RFC 4226). */
function codeOfApp(secret: string, step: number): string {
  const bits = Array.from(secret, (letter) => 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'.indexOf(letter).toString(2).padStart(5, '0')).join('');
  const key = Buffer.from((bits.match(/.{8}/g) ?? []).map((byte) => parseInt(byte, 2)));
  const counter = Buffer.alloc(8);
  counter.writeBigUInt64BE(BigInt(step));
  const digest = createHmac('sha1', key).update(counter).digest();
  const number = digest.readUInt32BE(digest[19]! & 15) & 0x7fffffff;
  return String(number % 1_000_000).padStart(6, '0');
}

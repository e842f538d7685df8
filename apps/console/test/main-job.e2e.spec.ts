import fs from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { sampleData, startProduct } from '@millrace/testkit';
import type { Browser, Page } from 'playwright-core';
import { describeWithBrowser, launchBrowser } from './browser.ts';

const results = path.join(import.meta.dirname, '../test-results/main-job');

describeWithBrowser('the console is')('the main job, in a real browser against a really started product', () => {
  let product: Awaited<ReturnType<typeof startProduct>>;
  let browser: Browser;
  let page: Page;
  let shots = 0;
  const complaints: string[] = [];

  beforeAll(async () => {
    await fs.rm(results, { recursive: true, force: true });
    await fs.mkdir(results, { recursive: true });
    // Every operation that the console sends must be on the list of its build.
    product = await startProduct({ environment: { MILLRACE_TRUSTED_DOCUMENTS: 'all' } });
    browser = await launchBrowser();
    page = await browser.newPage({ viewport: { width: 1360, height: 900 } });
    page.setDefaultTimeout(60_000);
    await page.addInitScript(() => {
      document.addEventListener('securitypolicyviolation', ({ violatedDirective, blockedURI, sample }) => {
        console.error(`the content security policy forbids ${violatedDirective}: ${blockedURI} ${sample}`);
      });
    });
    page.on('pageerror', (error) => complaints.push(String(error)));
    page.on('console', (message) => {
      if (message.type() === 'error') complaints.push(message.text());
    });
  });

  afterAll(async () => {
    if (page && !page.isClosed()) await page.screenshot({ path: path.join(results, 'last.png'), fullPage: true }).catch(() => undefined);
    await browser?.close();
    await product?.stop();
  });

  /** Keeps what a person would see now, for people to judge. */
  async function keep(name: string) {
    shots++;
    await page.screenshot({ path: path.join(results, `${String(shots).padStart(2, '0')}-${name}.png`), fullPage: true });
  }

  async function follow(name: string) {
    await page.getByRole('navigation', { name: 'Main' }).getByRole('link', { name, exact: true }).click();
  }

  const heading = (name: string) => page.getByRole('heading', { level: 1, name, exact: true });

  it('refuses a wrong password and lets the owner in with the right one', async () => {
    await page.goto(product.consoleUrl);
    await heading('Sign in').waitFor();
    await page.getByLabel('Email').fill(product.owner.email);
    await page.getByLabel('Password').fill('certainly not the password');
    await page.getByRole('button', { name: 'Sign in', exact: true }).click();
    await page.getByRole('alert').waitFor();
    await keep('sign-in-refused');
    await page.getByLabel('Password').fill(product.owner.password);
    await page.getByRole('button', { name: 'Sign in', exact: true }).click();
    await heading('Overview').waitFor();
    await page.getByText('Upload data', { exact: true }).waitFor();
    await keep('overview');
  });

  it('stays signed in after a reload', async () => {
    await page.reload();
    await heading('Overview').waitFor();
  });

  it('refuses a broken file, naming the line and the remedy, and keeps the form', async () => {
    const folder = await fs.mkdtemp(path.join(os.tmpdir(), 'millrace-e2e-'));
    try {
      const broken = path.join(folder, 'broken.csv');
      await fs.writeFile(broken, 'length,width,kind\n1,2,a\n3,b\n');
      await follow('Data sets');
      await page.getByRole('button', { name: 'Upload a data set' }).first().click();
      await page.locator('input[type=file]').setInputFiles(broken);
      await page.getByRole('button', { name: 'Create data set' }).click();
      const alert = page.getByRole('alert');
      await alert.waitFor();
      expect(await alert.innerText()).toMatch(/line 3/i);
      await keep('file-refused');
    } finally {
      await fs.rm(folder, { recursive: true, force: true });
    }
  });

  it('takes a good file after it, and shows its profile', async () => {
    await page.locator('input[type=file]').setInputFiles(sampleData('iris'));
    await page.getByLabel('Name').fill('iris-e2e');
    await page.getByRole('button', { name: 'Create data set' }).click();
    await heading('iris-e2e').waitFor();
    await page.getByRole('article', { name: 'Column species' }).waitFor();
    expect(await page.getByRole('img', { name: /^Histogram of / }).count()).toBe(4);
    await keep('data-set');
  });

  it('shows what is wrong with a configuration beside its field', async () => {
    await page.getByRole('link', { name: 'Train a model' }).click();
    await page.getByText('Settings of model 2').click();
    await page.getByLabel('k', { exact: true }).fill('9999');
    await page.getByRole('button', { name: 'Start run' }).click();
    await page.locator('input[aria-invalid=true]').first().waitFor();
    expect(await page.getByLabel('k', { exact: true }).getAttribute('aria-invalid')).toBe('true');
    await keep('configuration-problem');
  });

  it('trains, drawing the loss while it learns, and fills the leaderboard', async () => {
    await page.getByLabel('k', { exact: true }).fill('3');
    await page.getByLabel('Epochs', { exact: true }).fill('60');
    await page.getByLabel('Model name', { exact: true }).fill('iris-e2e');
    await page.getByRole('button', { name: 'Start run' }).click();
    await page.getByRole('img', { name: /^Loss by epoch/ }).waitFor({ timeout: 120_000 });
    await keep('run-live');
    const leaderboard = page.getByRole('table', { name: 'Leaderboard' });
    await leaderboard.waitFor({ timeout: 180_000 });
    for (const name of ['Baseline', 'Linear model', 'k-nearest neighbours', 'Dense network']) {
      expect(await leaderboard.getByRole('button', { name }).count()).toBe(1);
    }
    const columns = await leaderboard.getByRole('columnheader').allInnerTexts();
    expect(columns).toEqual(expect.arrayContaining(['score_test', 'score_val', 'pred_time_ms_p50', 'fit_time_s', 'size_bytes', 'size_gz']));
    await page.getByRole('table', { name: 'Actual against Predicted' }).waitFor();
    await keep('run-done');
  }, 320_000);

  it('publishes the version', async () => {
    await page.getByRole('link', { name: 'Open version 1 of iris-e2e' }).click();
    await page.getByRole('button', { name: 'Publish version 1' }).click();
    await page.getByRole('button', { name: 'Put into service' }).click();
    await page.getByText('Endpoint iris-e2e serves it now').waitFor();
    await keep('published');
    await page.getByRole('link', { name: 'Try the model' }).click();
  });

  it('predicts in a form made from the signature', async () => {
    await heading('iris-e2e').waitFor();
    const setosa = { 'sepal length (cm)': '5.1', 'sepal width (cm)': '3.5', 'petal length (cm)': '1.4', 'petal width (cm)': '0.2' };
    for (const [name, value] of Object.entries(setosa)) await page.getByLabel(name, { exact: true }).fill(value);
    await page.getByRole('button', { name: 'Predict' }).click();
    expect(await page.getByTestId('prediction').innerText()).toMatch(/setosa/);
    expect(await page.getByRole('list', { name: 'Probabilities' }).getByRole('listitem').count()).toBe(3);
    await keep('prediction');
  });

  it('makes a key with which the shown call works from outside', async () => {
    const curl = await page.getByLabel('curl, Simple', { exact: true }).innerText();
    expect(curl).toContain('$MILLRACE_KEY');
    const body = curl.slice(curl.indexOf("-d '") + 4, curl.lastIndexOf("'"));

    await follow('API keys');
    await page.getByRole('button', { name: 'Create API key' }).first().click();
    await page.getByLabel('Name', { exact: true }).fill('end-to-end');
    await page.getByRole('button', { name: 'Create key' }).click();
    const key = (await page.getByLabel('API key', { exact: true }).innerText()).trim();
    await keep('key-shown-once');
    await page.getByRole('button', { name: 'I have copied it' }).click();
    expect(await page.locator('body').innerText()).not.toContain(key);

    const response = await fetch(new URL('/predict', product.inferenceUrl), {
      method: 'POST',
      headers: { 'x-api-key': key, 'content-type': 'application/json' },
      body,
    });
    expect({ status: response.status, body: await response.json() }).toEqual({ status: 200, body: { prediction: [expect.stringMatching(/setosa/)] } });
  });

  it('shows the other rooms, and nothing is left after signing out', async () => {
    for (const room of ['Training runs', 'Models', 'Endpoints', 'Usage and quota', 'Audit trail', 'Overview']) {
      await follow(room);
      await heading(room).waitFor();
      await page.getByText(/^Loading /).first().waitFor({ state: 'detached' });
      expect({ room, refusals: await page.getByRole('alert').allInnerTexts() }).toEqual({ room, refusals: [] });
      await keep(room.toLowerCase().replaceAll(' ', '-'));
    }
    await page.getByRole('button', { name: 'Sign out' }).click();
    await heading('Sign in').waitFor();
    await page.goto(new URL('/models', product.consoleUrl).href);
    await heading('Sign in').waitFor();
  });

  it('did all of this without an error in the browser', () => {
    expect(complaints).toEqual([]);
  });
});

import type { KeyActor } from '@millrace/auth';
import { createCallers } from './callers.ts';

const actor = (keyId: string): KeyActor => ({ type: 'key', tenantId: 'ten_1', keyId, scopes: ['PREDICT'], models: [] });

it('asks the ledger once for many who ask at once, and for each caller apart', async () => {
  const asked: string[] = [];
  const callers = createCallers({
    keys: { own: async ({ keyId }) => ({ id: keyId }) as never },
    quota: {
      spendOf: async () => new Map(),
      async ownUsage(caller) {
        asked.push((caller as KeyActor).keyId);
        return { total: asked.length, today: 0, thisWeek: 0, thisMonth: 0 };
      },
    },
  });
  const answers = await Promise.all([...Array.from({ length: 50 }, () => callers.describe(actor('key_1'))), callers.describe(actor('key_2'))]);
  expect(asked).toEqual(['key_1', 'key_2']);
  expect(answers.slice(0, 50).every((answer) => (answer as { usage: number }).usage === 1)).toBe(true);
  expect(answers[50]).toMatchObject({ id: 'key_2', usage: 2 });
});

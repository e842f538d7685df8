import { compareVersions } from './compare-versions.ts';
import { type CardFacts, writeModelCard } from './model-card.ts';
import { lineageOf } from './model-lineage.ts';

const signature = (max: number, classes = ['a', 'b']) => ({
  formatVersion: 1, task: 'classification', family: 'dense', inputs: [{ name: 'x', type: 'number', required: true, min: 0, max }], output: { name: 'y', type: 'category', classes }, graph: { missingCategory: '', rowsPerCall: 1 },
});
const version = { number: 1, family: 'dense', metrics: { f1: 0.9, rmse: 2, confusionMatrix: {} }, signature: signature(1), parameters: { layers: [4], trainer: { epochs: 3 } }, datasetVersionId: 'dsv_1', sizeBytes: 1n, sizeGzBytes: 1n };

it('two versions are set side by side: all scores, and only what else differs', () => {
  const other = { ...version, number: 2, metrics: { f1: 0.8, rmse: 1, auc: 0.5 }, signature: signature(2), parameters: { layers: [4], trainer: { epochs: 5 } } };
  expect(compareVersions(version, other)).toEqual({
    scores: [{ name: 'f1', left: 0.9, right: 0.8, better: 'LEFT' }, { name: 'rmse', left: 2, right: 1, better: 'RIGHT' }, { name: 'auc', left: null, right: 0.5, better: null }],
    signature: [{ name: 'input x', left: 'number: 0 to 1', right: 'number: 0 to 2' }],
    parameters: [{ name: 'trainer.epochs', left: '3', right: '5' }],
    sameData: true,
  });
  expect(compareVersions(version, { ...version, datasetVersionId: null }).sameData).toBe(false);
  const errors = ['integratedBrier', 'maeObserved', 'massVolume', 'cost'];
  const at = (value: number) => ({ ...version, metrics: Object.fromEntries(errors.map((name) => [name, value])) });
  expect(compareVersions(at(1), at(2)).scores.map(({ better }) => better)).toEqual(errors.map(() => 'LEFT'));
});

it('a card says what is known, and names of others mean nothing in it', () => {
  const facts: CardFacts = {
    modelName: 'press', description: 'Finds <script>alert(1)</script>\n# worn tools', number: 3, family: 'dense', source: 'RUN', approval: 'APPROVED', metrics: { f1: 0.912345678, rows: 30 }, signature: signature(1, ['a|b', '`c`']),
    optimisation: { parent: { id: 'ver_1', number: 2 }, steps: [{ method: 'prune_units', keep: 0.5 }], metric: 'f1', loss: { loss: 0.2346, lower: -0.1, upper: 0.6, coverage: 0.95, rows: 30 } },
    agreement: {}, dataset: { name: 'shift 2', number: 4, rows: 100 }, filename: null, sizeBytes: 10n, packageSha256: 'ab', createdAt: new Date('2026-01-02T00:00:00Z'),
  };
  const card = writeModelCard(facts);
  expect(card).toContain('# press, version 3');
  expect(card).toContain('Finds \\<script\\>alert(1)\\</script\\> \\# worn tools');
  expect(card).toContain('one of `a b`, ` c `');
  expect(card).toContain('On 30 rows that took no part in training:\n\n| Score | Value |\n| --- | --- |\n| f1 | 0.912346 |\n\n## Limits');
  expect(card).toContain('version 4 of the data set `shift 2` (100 rows)');
  expect(card).toContain('(100 rows). Made from version 2 by `prune_units`: 0.235 points of `f1` worse, -0.1 to 0.6 with 95 % confidence.');
  expect(card).toContain('2026-01-02; approved');
  const items = { ...signature(1, []), output: { name: 'part', type: 'items', items: ['a', 'b'], count: 5 } };
  expect(writeModelCard({ ...facts, signature: items })).toContain('it gives up to 5 of `part`, best first');
});

it('a lineage leads from data over runs and files to versions and endpoints, each once', () => {
  const run = { id: 'run_1', status: 'SUCCEEDED' };
  const datasetVersion = { id: 'dsv_1', number: 2, dataset: { id: 'dst_1', name: 'iris' } };
  const lineage = lineageOf({
    versions: [
      { id: 'ver_2', number: 2, source: 'PACKAGE', run: null, datasetVersion: null, provenance: { filename: 'p.tar', sha256: 'ff' }, optimisation: null },
      { id: 'ver_1', number: 1, source: 'RUN', run, datasetVersion, provenance: {}, optimisation: null },
      { id: 'ver_3', number: 3, source: 'RUN', run: { id: 'run_3', status: 'SUCCEEDED' }, datasetVersion, provenance: {}, optimisation: { parent: { id: 'ver_1', number: 1 } } },
    ],
    aliases: [{ name: 'champion', versionId: 'ver_1' }, { name: 'old', versionId: 'ver_0' }],
    endpoints: [{ id: 'end_1', name: 'press', aliasName: 'champion' }, { id: 'end_2', name: 'gone', aliasName: 'old' }],
  });
  expect(lineage.nodes.map(({ id, kind }) => [id, kind])).toEqual([
    ['ver_2', 'MODEL_VERSION'], ['file:ff', 'FILE'], ['ver_1', 'MODEL_VERSION'], ['dsv_1', 'DATASET_VERSION'], ['run_1', 'RUN'], ['ver_3', 'MODEL_VERSION'], ['run_3', 'RUN'], ['end_1', 'ENDPOINT'],
  ]);
  expect(lineage.edges.map(({ from, to, label }) => `${from}>${to} ${label}`.trim())).toEqual(['file:ff>ver_2 package', 'dsv_1>run_1', 'run_1>ver_1', 'dsv_1>run_3', 'run_3>ver_3', 'ver_1>run_3 optimised', 'ver_1>end_1 champion']);
});

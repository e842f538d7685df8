import { readFileSync, writeFileSync, renameSync, existsSync } from 'node:fs';
import { createHash } from 'node:crypto';
import { selectBackend, train } from './src/index.ts';
import { madeUpTable, specFor } from './test/sample-tables.ts';
const [,, file, prefer] = process.argv;
const table = madeUpTable(1500, 1);
const spec = specFor(table, { name: 'grade', type: 'category' }, { models: [{ family: 'dense' }, { family: 'knn' }, { family: 'dense', hiddenLayers: [16] }], trainer: { epochs: 25, earlyStop: { patience: 8 } } }, ['passed', 'amount']);
const o = await train({ table, spec, backend: await selectBackend({ prefer: prefer as 'cpu' }), checkpoint: { everyEpochs: 1, load: async () => existsSync(file!) ? readFileSync(file!) : null, save: async (b) => { writeFileSync(file + '.t', b); renameSync(file + '.t', file!); } } });
if (o.type === 'trained') { const h = createHash('sha256'); for (const t of o.trials) { if (t.pipeline.estimator.family === 'dense') for (const l of t.pipeline.estimator.layers) h.update(l.kernel).update(l.bias); h.update(JSON.stringify(t.metrics)); } console.log('DIGEST', h.digest('hex')); }

import { benchAudit } from './audit.ts';
import { benchPredict } from './predict.ts';

const benches: Record<string, (parameters: string[]) => Promise<void>> = { audit: benchAudit, predict: benchPredict };

const [name = '', ...parameters] = process.argv.slice(2);
const bench = benches[name];
if (!bench) {
  console.error(`Which bench? One of: ${Object.keys(benches).join(', ')}. For example: npm run bench -- predict`);
  process.exit(1);
}
await bench(parameters);

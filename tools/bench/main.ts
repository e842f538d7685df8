import { benchPredict } from './predict.ts';
import { benchSignIn } from './sign-in.ts';

const benches: Record<string, (parameters: string[]) => Promise<void>> = { predict: benchPredict, 'sign-in': benchSignIn };

const [name = '', ...parameters] = process.argv.slice(2);
const bench = benches[name];
if (!bench) {
  console.error(`Which bench? One of: ${Object.keys(benches).join(', ')}. For example: npm run bench -- predict`);
  process.exit(1);
}
await bench(parameters);

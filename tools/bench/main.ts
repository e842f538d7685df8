import { benchAnomaly } from './anomaly.ts';
import { benchAudit } from './audit.ts';
import { benchBodies } from './bodies.ts';
import { benchExplain } from './explain.ts';
import { benchFamilies } from './families.ts';
import { benchForecast } from './forecast.ts';
import { benchMetering } from './metering.ts';
import { benchLoading } from './loading.ts';
import { benchNeighbour } from './neighbour.ts';
import { benchOverload } from './overload.ts';
import { benchImages } from './images.ts';
import { benchOptimise } from './optimise.ts';
import { benchPersonalisation } from './personalisation.ts';
import { benchPredict } from './predict.ts';
import { benchQuota } from './quota.ts';
import { benchRecommend } from './recommend.ts';
import { benchResume } from './resume.ts';
import { benchRevocation } from './revocation.ts';
import { benchSearch } from './search.ts';
import { benchSignIn } from './sign-in.ts';
import { benchSignInFlood } from './sign-in-flood.ts';
import { benchStorage } from './storage.ts';
import { benchSurvival } from './survival.ts';
import { benchTenancy } from './tenancy.ts';
import { benchTrain } from './train.ts';
import { benchTrees } from './trees.ts';
import { benchWebhooks } from './webhooks.ts';

const benches: Record<string, (parameters: string[]) => Promise<void>> = {
  anomaly: benchAnomaly,
  audit: benchAudit,
  bodies: benchBodies,
  explain: benchExplain,
  families: benchFamilies,
  forecast: benchForecast,
  metering: benchMetering,
  loading: benchLoading,
  neighbour: benchNeighbour,
  overload: benchOverload,
  images: benchImages,
  optimise: benchOptimise,
  personalisation: benchPersonalisation,
  predict: benchPredict,
  quota: benchQuota,
  recommend: benchRecommend,
  resume: benchResume,
  revocation: benchRevocation,
  search: benchSearch,
  'sign-in': benchSignIn,
  'sign-in-flood': benchSignInFlood,
  storage: benchStorage,
  survival: benchSurvival,
  tenancy: benchTenancy,
  train: benchTrain,
  trees: benchTrees,
  webhooks: benchWebhooks,
};

const [name = '', ...parameters] = process.argv.slice(2);
const bench = benches[name];
if (!bench) {
  console.error(`Which bench? One of: ${Object.keys(benches).join(', ')}. For example: npm run bench -- predict`);
  process.exit(1);
}
await bench(parameters);

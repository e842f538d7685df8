import { silentLogger } from '@millrace/kernel';
import { createOutbound } from '../src/index.ts';

/** A process with an environment of its own: `fetch-once.ts URL ADDRESS` prints what calling the host at this address gives. */
const [url, address] = process.argv.slice(2) as [string, string];
const { fetch } = createOutbound({ allowedNetworks: [address], resolve: async () => [address], logger: silentLogger });
const said = await fetch(url).then((answer) => answer.text(), (error: unknown) => (error as Error).message);
process.stdout.write(said);

/**
 * `node vite.mjs build`, `node vite.mjs dev`. Through Vite's API, since where its command line lies depends on how npm
 * hoists packages.
 */
import { build, createServer } from 'vite';

const root = import.meta.dirname;

if (process.argv[2] === 'dev') {
  const server = await createServer({ root, clearScreen: false });
  await server.listen();
  server.printUrls();
} else {
  await build({ root, logLevel: 'warn' });
}

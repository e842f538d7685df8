import { readFile } from 'node:fs/promises';
import path from 'node:path';
import tailwindcss from '@tailwindcss/vite';
import react from '@vitejs/plugin-react';
import { defineConfig, type Plugin } from 'vite';

const api = 'http://127.0.0.1:4000';

/** Lays the list of the console's operations beside its files: the API reads it there, and does not serve it. */
const operationList: Plugin = {
  name: 'operation-list',
  apply: 'build',
  async generateBundle() {
    this.emitFile({ type: 'asset', fileName: 'operations.json', source: await readFile(path.join(import.meta.dirname, 'src/gql/operations.json')) });
  },
};

export default defineConfig({
  base: '/',
  plugins: [react(), tailwindcss(), operationList],
  build: { outDir: 'dist', emptyOutDir: true, sourcemap: false, chunkSizeWarningLimit: 900 },
  server: {
    port: 5173,
    proxy: {
      '/graphql': { target: api, ws: true },
      '/uploads': { target: api },
      '/auth': { target: api },
      '/export': { target: api },
      '^/models/[^/]+/versions/[^/]+/(package|layers)$': { target: api },
      '/usage/export': { target: api },
    },
  },
});

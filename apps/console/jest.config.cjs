module.exports = require('../../jest.preset.cjs')(__dirname, {
  testEnvironment: 'node',
  setupFiles: ['<rootDir>/test/screen.cjs'],
  moduleNameMapper: { '\\.css$': '<rootDir>/test/no-style.cjs' },
});

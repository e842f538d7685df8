module.exports = require('../../jest.preset.cjs')(__dirname, { globalSetup: './test/bundle-programs.mjs' });

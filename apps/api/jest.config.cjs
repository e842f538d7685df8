const os = require('node:os');
const path = require('node:path');

// Half of the whole suite's time is here, and much of it is waiting for Postgres: a second worker is worth it on two cores as well.
module.exports = require('../../jest.preset.cjs')(__dirname, {
  maxWorkers: Math.max(2, os.availableParallelism() - 1),
  testSequencer: path.join(__dirname, '../../jest.sequencer.cjs'),
});

/**
 * Jest's usual runner. Every worker loads it, whatever environment its specs ask for.
 *
 * A worker that is told to end leaves at once. Else it takes its heap apart first, for longer than the half second that Jest waits where
 * the heap is large and the machine busy, and Jest says that it "failed to exit gracefully": then nobody would heed that of a true leak.
 */
if (process.argv[1]?.endsWith('processChild.js')) process.once('exit', (code) => process.reallyExit(code));

module.exports = require('jest-circus/runner');

const path = require('node:path');
const { default: Sequencer } = require('@jest/test-sequencer');

/**
 * Specs that take minutes begin first, so that none of them runs alone at the end. Jest knows by itself what took long the
 * last time, but not in a new clone: there it goes by the size of the files, and these are small.
 */
const long = ['row-level-security.db.spec.ts', 'isolation.db.spec.ts'];

const isLong = ({ path: file }) => long.includes(path.basename(file));

module.exports = class extends Sequencer {
  sort(tests) {
    const ordered = super.sort(tests);
    return [...ordered.filter(isLong), ...ordered.filter((test) => !isLong(test))];
  }
};

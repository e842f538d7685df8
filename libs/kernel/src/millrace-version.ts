/** Of this program: as in the package.json at the root, which a spec holds it against. */
export const millraceVersion = '0.1.0';

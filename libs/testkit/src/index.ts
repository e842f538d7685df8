export { type BadCredential, confusedHeaders, fitsIntoHeader, forgedTokens, type HeaderLines, lettingNobodyIn, malformedKeys, sendRaw } from './credential-corpus.ts';
export { type IdentityProvider, type IdentityProviderOptions, type PersonAtProvider, startIdentityProvider } from './identity-provider.ts';
export { type Product, type ProductOptions, startProduct } from './product.ts';
export { createTestDatabase, repositoryRoot, type TestDatabase } from './test-database.ts';
export { createWorld, irisSpec, type MemberInWorld, sampleData, type TenantInWorld, testSecrets, type World } from './world.ts';
export { looksForRowsOfAnybody, shapeOf, tapSql, type SqlTapOptions, withoutTenantFilter } from './sql-tap.ts';
export { type Column, type ForeignKey, type Inspection, openInspection, type Table } from './inspection.ts';
export { interleaveTenants, type InterleavingOptions, type InterleavingResult, seededRandom, startDisturbing } from './interleaving.ts';
export { type ArchiveEntry, zipOf } from './zip-archive.ts';

export { type Product, type ProductOptions, startProduct } from './product.ts';
export { createTestDatabase, repositoryRoot, type TestDatabase } from './test-database.ts';
export { createWorld, irisSpec, type MemberInWorld, sampleData, type TenantInWorld, testSecrets, type World } from './world.ts';
export { shapeOf, tapSql, type SqlTapOptions, withoutTenantFilter } from './sql-tap.ts';
export { type Column, type ForeignKey, type Inspection, openInspection, type Table } from './inspection.ts';

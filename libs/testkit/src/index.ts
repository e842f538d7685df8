export { createTestDatabase, repositoryRoot, type TestDatabase } from './test-database.ts';

import { printContract } from './printed-schema.ts';
import { schema } from './schema.ts';

process.stdout.write(printContract(schema));

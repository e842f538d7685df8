import { permissionPage } from './permission-page.ts';
import { schema } from './schema.ts';

process.stdout.write(permissionPage(schema));

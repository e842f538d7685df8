import type { TenantDb } from '@millrace/database';
import { createImportGate } from './import-gate.ts';
import type { DatasetVersionView } from './dataset-versions.ts';
import { reportOnTarget, type TargetChoice, type TargetReport } from './target-report.ts';

interface Dependencies {
  withTable<T>(tenant: TenantDb, versionId: string, use: (parquetPath: string, version: DatasetVersionView) => Promise<T>): Promise<T>;
}

/** Reports that are kept in memory: versions never change, so neither do their reports. */
const kept = 200;

export function createTargetReports({ withTable }: Dependencies) {
  const throughGate = createImportGate({ atOnce: 2, waiting: 50 });
  const reports = new Map<string, Promise<TargetReport>>();

  return {
    /**
     * How the columns of a version go with a target, and which give it away; computed once. Throws `DomainError`
     * `NOT_FOUND` for a version that this tenant hasn't, `INVALID` for a target that it can't have.
     */
    async reportOnTarget(tenant: TenantDb, versionId: string, { name, type }: TargetChoice): Promise<TargetReport> {
      const key = JSON.stringify([tenant.tenantId, versionId, name, type]);
      const known = reports.get(key);
      if (known) return known;
      const report = throughGate(() => withTable(tenant, versionId, (parquet) => reportOnTarget(parquet, { name, type })));
      reports.set(key, report);
      const oldest = reports.keys().next().value;
      if (reports.size > kept && oldest !== undefined) reports.delete(oldest);
      report.catch(() => reports.delete(key));
      return report;
    },
  };
}

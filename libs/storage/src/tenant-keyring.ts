/** Where the keys of tenants come from. A tenant's keys are numbered; the highest number is the current one. */
export interface TenantKeyring {
  /** The key that new artefacts of the tenant are sealed with; made at its first use. */
  current(tenantId: string): Promise<{ version: number; key: Uint8Array }>;
  /** Null when it was destroyed: what was sealed with it is unreadable for ever. */
  find(tenantId: string, version: number): Promise<Uint8Array | null>;
}

import type { Logger } from '@millrace/kernel';
import { PrismaPg } from '@prisma/adapter-pg';
import pg from 'pg';
import { Prisma, PrismaClient } from './generated/prisma/client.ts';
import { Listener, type NotificationHandler } from './listener.ts';
import { translateOutage } from './outage.ts';
import { ReadSession } from './read-session.ts';
import { SerialClient } from './serial-client.ts';
import { endSilentConnections, endWhenSilent, keepAlive } from './silence.ts';

export interface DatabaseOptions {
  /** logs in as millrace_app: sees one tenant a transaction */
  tenantUrl: string;
  /** logs in as millrace_system (API, inference) or millrace_worker (worker): sees the few tables that have no tenant yet */
  systemUrl: string;
  logger: Logger;
  /** connections for tenants' transactions; bounds how many run at once (default 10) */
  poolSize?: number;
  /** a connection that owes an answer for so long is given up (default 20 s: longer than any statement may take) */
  silenceMs?: number;
}

/** Hidden from the application role by the database as well: it has no right to read these columns. */
export const secretColumns = {
  person: { passwordHash: true, totpSealed: true, totpLastStep: true },
  apiKey: { secretHmac: true, previousHmac: true },
  session: { tokenHash: true },
  invitation: { tokenHash: true },
  ssoConnection: { secretSealed: true },
  signingKey: { wrapped: true, masterKeyId: true },
  webhookSecret: { secretSealed: true },
} as const;

type TenantClient = PrismaClient<never, typeof secretColumns>;
type WithoutControl<Client> = Omit<Client, '$connect' | '$disconnect' | '$on' | '$use' | '$extends' | '$transaction'>;

declare const tenantBrand: unique symbol;
declare const systemBrand: unique symbol;

/** A transaction bound to one tenant. A function that needs atomicity asks for one, and doesn't compile without. */
export type TenantTx = WithoutControl<TenantClient> & { readonly [tenantBrand]: true };
/** A transaction that crosses tenants, limited to the tables that its role may touch. */
export type SystemTx = WithoutControl<PrismaClient> & { readonly [systemBrand]: true };

export interface TenantDb {
  readonly tenantId: string;
  transaction<T>(work: (tx: TenantTx) => Promise<T>): Promise<T>;
  /** One statement in a transaction of its own, straight to the driver: Prisma copies a large value several times on its way. */
  execute(statement: Prisma.Sql): Promise<void>;
  /** one read transaction that opens at its first use and lives until `close()`: for the length of a request */
  readSession(): ReadSession;
}

export interface SystemDb {
  transaction<T>(work: (tx: SystemTx) => Promise<T>): Promise<T>;
}

export interface Database {
  forTenant(tenantId: string): TenantDb;
  system(): SystemDb;
  /** @returns a function that ends it */
  listen(channel: Channel, handler: NotificationHandler): Promise<() => void>;
  /**
   * Does the work unless another process is at it under the same name. Whoever is killed meanwhile gives the name up with
   * its connection. Should only the connection break, two may be at it for a moment: the work must bear that.
   */
  exclusively<T>(name: string, work: () => Promise<T>): Promise<{ type: 'done'; value: T } | { type: 'busy' }>;
  /** whether a statement comes through within two seconds */
  isReachable(): Promise<boolean>;
  close(): Promise<void>;
}

/** Payloads hold ids only, separated by a colon. */
export type Channel =
  /** `tenant:run`: something about this run is new */
  | 'millrace_run'
  /** empty: there may be work to claim */
  | 'millrace_queue'
  /** `tenant`: an endpoint, alias or version changed */
  | 'millrace_registry'
  /** `tenant:id` of the key, person or session whose rights changed; `tenant:*`: of everybody in it; `tenant:keys`: its artefact keys */
  | 'millrace_access'
  /** `tenant:prediction`: something about this async prediction is new; `tenant`: some of its webhooks wait */
  | 'millrace_prediction'
  /** `tenant:account`: whoever holds a part of it gives it back; `tenant:*`: its limits of usage changed */
  | 'millrace_usage';

const usualSilenceMs = 20_000;
/** What a process that has vanished held locked is free again a second after this. */
const transactionLimits = { timeout: 15_000, maxWait: 5_000 };

export function createDatabase(options: DatabaseOptions): Database {
  const { silenceMs = usualSilenceMs } = options;
  const poolSettings = {
    Client: SerialClient,
    ...keepAlive,
    connectionTimeoutMillis: 5_000,
    idleTimeoutMillis: 30_000,
    options: '-c statement_timeout=15000 -c lock_timeout=10000 -c idle_in_transaction_session_timeout=16000',
  };
  const onPoolError = (error: Error): void => options.logger.warn({ error: error.message }, 'a database connection broke');
  const tenantPool = new pg.Pool({ ...poolSettings, connectionString: options.tenantUrl, max: options.poolSize ?? 10 });
  const systemPool = new pg.Pool({ ...poolSettings, connectionString: options.systemUrl, max: 4 });
  for (const pool of [tenantPool, systemPool]) {
    pool.on('error', onPoolError);
    endSilentConnections(pool, silenceMs);
  }

  const tenantClient = new PrismaClient({ adapter: new PrismaPg(tenantPool), omit: secretColumns });
  const systemClient = new PrismaClient({ adapter: new PrismaPg(systemPool) });
  const listener = new Listener(options.systemUrl, options.logger, silenceMs / 4);

  return {
    forTenant(tenantId) {
      if (!tenantId) throw new Error('a tenant handle needs a tenant');
      const transaction = <T>(work: (tx: TenantTx) => Promise<T>): Promise<T> =>
        translateOutage(
          tenantClient.$transaction(async (tx) => {
            await tx.$executeRaw(bindTo(tenantId));
            return work(tx as unknown as TenantTx);
          }, transactionLimits),
        );
      const execute = (statement: Prisma.Sql): Promise<void> => translateOutage(executeAlone(tenantPool, tenantId, statement));
      return { tenantId, transaction, execute, readSession: () => new ReadSession(transaction) };
    },
    system: () => ({
      transaction: (work) => translateOutage(systemClient.$transaction((tx) => work(tx as unknown as SystemTx), transactionLimits)),
    }),
    listen: (channel, handler) => translateOutage(listener.listen(channel, handler)),
    async exclusively(name, work) {
      const client = new pg.Client({ connectionString: options.systemUrl, ...keepAlive, connectionTimeoutMillis: 5_000 });
      client.on('error', onPoolError);
      await translateOutage(client.connect());
      endWhenSilent(client, silenceMs);
      try {
        const { rows } = await translateOutage(
          client.query<{ won: boolean }>('SELECT pg_try_advisory_lock(hashtextextended($1, 0)) AS won', [name]),
        );
        return rows[0]?.won ? { type: 'done', value: await work() } : { type: 'busy' };
      } finally {
        await client.end().catch(() => undefined);
      }
    },
    async isReachable() {
      const timeout = new Promise<boolean>((resolve) => setTimeout(resolve, 2_000, false).unref());
      const answer = tenantPool.query('SELECT 1').then(() => true, () => false);
      return Promise.race([answer, timeout]);
    },
    async close() {
      await listener.close();
      await Promise.all([tenantClient.$disconnect(), systemClient.$disconnect()]);
      await Promise.all([tenantPool, systemPool].map((pool) => (pool.ended ? undefined : pool.end())));
    },
  };
}

/** The first statement of every transaction of a tenant, for as long as that lasts. */
const bindTo = (tenantId: string): Prisma.Sql => Prisma.sql`SELECT set_config('millrace.tenant_id', ${tenantId}, true)`;

async function executeAlone(pool: pg.Pool, tenantId: string, { text, values }: Prisma.Sql): Promise<void> {
  const client = await pool.connect();
  let isBroken = true;
  client.on('error', ignoreBreak);
  try {
    await client.query('BEGIN');
    const binding = bindTo(tenantId);
    await client.query(binding.text, binding.values);
    await client.query(text, values);
    await client.query('COMMIT');
    isBroken = false;
  } finally {
    client.release(isBroken); // its transaction ends with its connection
    client.off('error', ignoreBreak);
  }
}

/** A connection that breaks tells of it beside the error of its statement, and ends the process where nobody listens. */
const ignoreBreak = (): void => undefined;

/** Tells the listeners of a channel once this transaction commits. Rare events only: each one takes a database-wide lock. */
export async function notify(tx: TenantTx | SystemTx, channel: Channel, payload = ''): Promise<void> {
  await tx.$executeRaw`SELECT pg_notify(${channel}, ${payload})`;
}

/** Whether the error says that this unique index is violated. Others are bugs and should be thrown on. */
export function violatesUnique(error: unknown, index: string): boolean {
  if (!(error instanceof Prisma.PrismaClientKnownRequestError) || error.code !== 'P2002') return false;
  const adapterError = error.meta?.['driverAdapterError'] as { cause?: { constraint?: { index?: string } } } | undefined;
  return adapterError?.cause?.constraint?.index === index;
}

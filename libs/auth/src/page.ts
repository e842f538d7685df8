/** A stretch of a list that is read from its newest item, which has the greatest id. */
export interface Page {
  /** only what is older than this id */
  after?: string | undefined;
  /** only what is newer */
  before?: string | undefined;
  limit: number;
  /** from the other end */
  oldestFirst?: boolean;
}

export const idsOf = ({ after, before }: Page): { lt?: string; gt?: string } => ({ ...(after ? { lt: after } : {}), ...(before ? { gt: before } : {}) });

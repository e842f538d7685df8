import type { ReactNode } from 'react';
import { Card } from './card.tsx';
import { Empty } from './notice.tsx';
import { Page } from './page.tsx';

/** In place of a thing that is not there, or not this tenant's: the two look alike. */
export function NotFoundPage({ what, above }: { what: string; above: ReactNode }) {
  return (
    <Page title={`${what[0]!.toUpperCase()}${what.slice(1)} not found`} above={above}>
      <Card>
        <Empty title={`There is no such ${what}`}>It may belong to another tenant, or the address may be mistyped.</Empty>
      </Card>
    </Page>
  );
}

/** @jest-environment jsdom */
import { cleanup, fireEvent, render, screen } from '@testing-library/react';
import { useState } from 'react';
import { LeakNotice } from './leak-notice.tsx';

afterEach(cleanup);

const leaks = [
  { __typename: 'Leak' as const, kind: 'sum', columns: ['casual', 'registered'], message: 'They add up to the target.', remedy: 'Leave one out.' },
  { __typename: 'Leak' as const, kind: 'alone', columns: ['copy'], message: 'It is the target.', remedy: 'Leave it out.' },
];

function Form({ features, onChange }: { features: string[]; onChange(columns: string[]): void }) {
  const [acknowledged, setAcknowledged] = useState<string[]>([]);
  onChange(acknowledged);
  return <LeakNotice leaks={leaks} features={features} acknowledged={acknowledged} onAcknowledged={setAcknowledged} />;
}

describe('the notice of leaks', () => {
  it('is silent as long as a column of each is left out', () => {
    render(<Form features={['casual', 'temp']} onChange={() => undefined} />);
    expect(screen.queryByRole('region', { name: 'Leaks' })).toBeNull();
  });

  it('names those that the chosen columns make, and takes the acknowledgement of each column, and back', () => {
    let acknowledged: string[] = [];
    render(<Form features={['casual', 'registered', 'temp']} onChange={(columns) => (acknowledged = columns)} />);
    expect(screen.getByText('They add up to the target.')).toBeTruthy();
    expect(screen.queryByText('It is the target.')).toBeNull();
    for (const column of ['casual', 'registered']) fireEvent.click(screen.getByRole('checkbox', { name: new RegExp(`^Use ${column} all the same`) }));
    expect(acknowledged).toEqual(['casual', 'registered']);
    fireEvent.click(screen.getByRole('checkbox', { name: /^Use casual/ }));
    expect(acknowledged).toEqual(['registered']);
  });
});

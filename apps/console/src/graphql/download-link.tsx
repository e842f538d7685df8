import { useState, type MouseEvent, type ReactNode } from 'react';
import { useSession } from '../app/session-context.tsx';
import { buttonClass } from '../design/button.tsx';
import { refusalOfThrown } from './refusal.ts';
import { cookieHeader } from './session.ts';

interface DownloadLinkProps {
  href: string;
  filename: string;
  kind?: 'primary' | 'secondary';
  children: ReactNode;
}

/**
 * A link cannot carry the header that the server wants with cookies. Over https, or on their own machine, browsers say
 * by themselves that a page of the server leads there; elsewhere the console fetches the file with the header.
 */
export function DownloadLink({ href, filename, kind = 'secondary', children }: DownloadLinkProps) {
  const session = useSession();
  const [problem, setProblem] = useState<string | null>(null);

  async function download(event: MouseEvent) {
    event.preventDefault();
    setProblem(null);
    try {
      await session.ready();
      if (window.isSecureContext) return save(href, filename);
      const response = await fetch(href, { headers: cookieHeader, credentials: 'same-origin' });
      if (!response.ok) return setProblem(`The server refused the download (HTTP ${response.status}).`);
      const url = URL.createObjectURL(await response.blob());
      save(url, filename);
      setTimeout(() => URL.revokeObjectURL(url), 60_000);
    } catch (error) {
      setProblem(refusalOfThrown(error).message);
    }
  }

  return (
    <span>
      <a href={href} download={filename} className={buttonClass(kind)} onClick={(event) => void download(event)}>
        {children}
      </a>
      {problem && (
        <span role="alert" className="mt-1.5 block text-[13px] text-bad-700">
          {problem}
        </span>
      )}
    </span>
  );
}

function save(url: string, filename: string): void {
  const link = document.createElement('a');
  link.href = url;
  link.download = filename;
  link.click();
}

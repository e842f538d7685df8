import type { Refusal } from '../../graphql/refusal.ts';
import { cookieHeader } from '../../graphql/session.ts';

export interface SendFileOptions {
  url: string;
  file: File;
  /** 0 to 1, as the bytes leave */
  onProgress(share: number): void;
  signal?: AbortSignal;
}

export type SendFileOutcome = { type: 'sent' } | { type: 'cancelled' } | { type: 'refused'; refusal: Refusal };

/** Sends the bytes of a file. XMLHttpRequest, because fetch does not tell how much of a body has been sent. */
export function sendFile({ url, file, onProgress, signal }: SendFileOptions): Promise<SendFileOutcome> {
  return new Promise((resolve) => {
    const request = new XMLHttpRequest();
    request.open('PUT', url);
    for (const [name, value] of Object.entries(cookieHeader)) request.setRequestHeader(name, value);
    request.setRequestHeader('content-type', file.type || 'application/octet-stream');
    request.upload.onprogress = (event) => {
      if (event.lengthComputable) onProgress(event.loaded / event.total);
    };
    request.onload = () => {
      if (request.status >= 200 && request.status < 300) resolve({ type: 'sent' });
      else resolve({ type: 'refused', refusal: refusalOfAnswer(request.status, request.responseText) });
    };
    request.onerror = () =>
      resolve({
        type: 'refused',
        refusal: {
          code: 'upload_interrupted',
          message: 'The upload was interrupted.',
          remedy: 'See whether the file still exists and the server can be reached, then send it again.',
          problems: [],
        },
      });
    request.onabort = () => resolve({ type: 'cancelled' });
    signal?.addEventListener('abort', () => request.abort(), { once: true });
    request.send(file);
  });
}

/** The upload route answers `{"error":{"code","message","field"?,"remedy"}}`; a proxy in front of it may answer anything. */
function refusalOfAnswer(status: number, body: string): Refusal {
  try {
    const { error } = JSON.parse(body) as { error?: { code?: unknown; message?: unknown; remedy?: unknown } };
    if (typeof error?.message === 'string') {
      const remedy = typeof error.remedy === 'string' ? error.remedy : null;
      return { code: typeof error.code === 'string' ? error.code : `HTTP_${status}`, message: error.message, remedy, problems: [] };
    }
  } catch {
    // not JSON: said below
  }
  return { code: `HTTP_${status}`, message: `The server refused the file (HTTP ${status}).`, remedy: 'Try again in a moment.', problems: [] };
}

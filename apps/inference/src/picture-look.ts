import type { PictureDesk } from '@millrace/packaging';
import type { ServedEndpoint } from '@millrace/registry';
import { unpackFiles } from './protocols/picture-tensor.ts';
import { RequestError } from './request-error.ts';

export type PictureLook = ReturnType<typeof createPictureLook>;

/**
 * Has the large pictures of a request decoded in threads before its rows are checked, for every version that may be asked. Null where
 * none of them takes any. @throws RequestError 503
 */
export function createPictureLook(pictures: Pick<PictureDesk, 'prepare'>) {
  async function look(body: unknown, signatures: Parameters<PictureDesk['prepare']>[1]): Promise<void> {
    unpackFiles(body);
    if ((await pictures.prepare(body, signatures)) === 'busy') throw tooManyPictures();
  }

  return (body: unknown, { version, shares }: Pick<ServedEndpoint, 'version' | 'shares'>): Promise<void> | null => {
    if (!takesPictures(version) && !shares.some((share) => takesPictures(share.version))) return null;
    return look(body, [version, ...shares.map((share) => share.version)].map(({ signature }) => signature));
  };
}

/** Whether looking at what a request sends for it may change that. */
export const takesPictures = ({ signature }: ServedEndpoint['version']): boolean => signature.inputs.some(({ type }) => type === 'image');

const tooManyPictures = (): RequestError =>
  new RequestError(503, 'overloaded', 'This server has as many pictures to decode as it can take.', { limitSource: 'server', remedy: 'Try again after the time in Retry-After; send smaller pictures.', retryAfterSeconds: 2 });

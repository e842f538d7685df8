/** A picture in memory: 8 bits a channel, [height, width, channels] row by row; one channel is grey, three are red, green, blue. */
export interface Pixels {
  width: number;
  height: number;
  channels: 1 | 3;
  data: Uint8Array;
}

/** Whether all of a picture's colours are shades of grey. */
export function isGrey({ channels, data }: Pixels): boolean {
  if (channels === 1) return true;
  for (let at = 0; at < data.length; at += 3) if (data[at] !== data[at + 1] || data[at] !== data[at + 2]) return false;
  return true;
}

/** The same picture in one or three channels. Grey is the luma of ITU-R BT.601, rounded. */
export function withChannels(pixels: Pixels, channels: 1 | 3): Pixels {
  if (pixels.channels === channels) return pixels;
  const { width, height } = pixels;
  const data = new Uint8Array(width * height * channels);
  for (let at = 0; at < width * height; at++) {
    if (channels === 3) data.fill(pixels.data[at]!, at * 3, at * 3 + 3);
    else data[at] = (299 * pixels.data[at * 3]! + 587 * pixels.data[at * 3 + 1]! + 114 * pixels.data[at * 3 + 2]! + 500) / 1000;
  }
  return { width, height, channels, data };
}

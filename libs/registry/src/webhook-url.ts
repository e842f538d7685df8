export const longestWebhookUrl = 2048;

/** Whether it is an address that can be called at all: where it leads is looked at when it is called, since that may change until then. */
export function isWebhookUrl(url: unknown): url is string {
  return typeof url === 'string' && url.length <= longestWebhookUrl && /^https?:\/\//i.test(url) && URL.canParse(url);
}

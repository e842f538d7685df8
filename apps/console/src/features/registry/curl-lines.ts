import type { Row, Signature } from './signature.ts';

export interface CurlLine {
  label: string;
  text: string;
}

const pictureText = 'BASE64_OF_A_PNG_OR_JPEG_FILE';

/** A picture is longer than a command line may be: its place is marked. */
const withoutPictures = ({ inputs }: Signature, row: Row): Row =>
  ({ ...row, ...Object.fromEntries(inputs.flatMap(({ name, type }) => (type === 'image' ? [[name, { b64: pictureText }]] : []))) });

/**
 * The same prediction over each of the protocols that the data plane speaks, ready to paste. The key comes from the
 * environment, so that it stays out of notes and shell histories.
 */
export function curlLines(input: { baseUrl: string; endpoint: string; signature: Signature; row: Row }): CurlLine[] {
  const { baseUrl, endpoint, signature } = input;
  const row = withoutPictures(signature, input.row);
  const model = encodeURIComponent(endpoint);
  const values = signature.inputs.map(({ name }) => row[name] ?? null);
  const tensors = signature.inputs
    // an input that is left out stands for a missing value
    .filter(({ name }) => row[name] !== null && row[name] !== undefined)
    .map(({ name, type }) => {
      const value = type === 'image' ? pictureText : row[name];
      return { name, shape: Array.isArray(value) ? [1, value.length] : [1], datatype: type === 'number' ? 'FP64' : 'BYTES', data: Array.isArray(value) ? value : [value] };
    });
  return [
    { label: 'Simple', text: curl(`${baseUrl}/predict`, { model: endpoint, features: values }) },
    { label: 'TensorFlow Serving', text: curl(`${baseUrl}/v1/models/${model}:predict`, { instances: [row] }) },
    { label: 'Open Inference Protocol', text: curl(`${baseUrl}/v2/models/${model}/infer`, { inputs: tensors }) },
    { label: 'MLflow', text: curl(`${baseUrl}/models/${model}/invocations`, { dataframe_records: [row] }) },
  ];
}

function curl(url: string, body: unknown): string {
  return [`curl ${url}`, `-H "X-API-Key: $MILLRACE_KEY"`, `-H "Content-Type: application/json"`, `-d ${shellQuoted(JSON.stringify(body))}`].join(' \\\n  ');
}

/** In single quotes, which a POSIX shell takes literally; a quote within ends them, adds itself, and begins anew. */
function shellQuoted(text: string): string {
  return `'${text.replaceAll("'", String.raw`'\''`)}'`;
}

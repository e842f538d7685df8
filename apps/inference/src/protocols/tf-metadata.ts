import { type Signature, tensorMetadata } from '@millrace/packaging';

const dtypes: Record<string, string> = { FP64: 'DT_DOUBLE', FP32: 'DT_FLOAT', BYTES: 'DT_STRING', BOOL: 'DT_BOOL', UINT8: 'DT_UINT8' };

/** What TensorFlow Serving says of a model under `/metadata`: one signature, by the name that requests may leave out. */
export function describeForTf(name: string, version: number, signature: Signature): object {
  const { inputs, outputs } = tensorMetadata(signature);
  const described = (tensors: typeof inputs): object =>
    Object.fromEntries(
      tensors.map((tensor) => [
        tensor.name,
        { dtype: dtypes[tensor.datatype], tensor_shape: { dim: tensor.shape.map((size) => ({ size: String(size), name: '' })), unknown_rank: false }, name: tensor.name },
      ]),
    );
  return {
    model_spec: { name, signature_name: '', version: String(version) },
    metadata: { signature_def: { signature_def: { serving_default: { inputs: described(inputs), outputs: described(outputs), method_name: 'tensorflow/serving/predict' } } } },
  };
}

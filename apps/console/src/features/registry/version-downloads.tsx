import { DownloadLink } from '../../graphql/download-link.tsx';

/** Families whose models are made of layers, and so can be had for TensorFlow.js. */
const familiesOfLayers: readonly string[] = ['dense', 'linear', 'convolutional'];

export function VersionDownloads({ modelId, modelName, number, family }: { modelId: string; modelName: string; number: number; family: string }) {
  const address = `/models/${modelId}/versions/${number}`;
  return (
    <div className="flex flex-wrap gap-2">
      {familiesOfLayers.includes(family) && (
        <DownloadLink href={`${address}/layers`} filename={`${modelName}-${number}.tfjs.tar`}>
          Download for TensorFlow.js
        </DownloadLink>
      )}
      <DownloadLink href={`${address}/package`} filename={`${modelName}-${number}.millrace.tar`}>
        Download package
      </DownloadLink>
    </div>
  );
}

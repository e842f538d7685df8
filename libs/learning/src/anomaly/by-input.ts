import type { FittedFeature } from '../pipeline.ts';

/** An input of a model and the places of its features: one, or the parts of a date, which stand together. */
export interface InputPlaces {
  name: string;
  places: number[];
}

export function inputsOf(features: readonly FittedFeature[]): InputPlaces[] {
  const inputs: InputPlaces[] = [];
  features.forEach((feature, place) => {
    const name = (feature.type === 'number' && feature.of?.column) || feature.name;
    const last = inputs.at(-1);
    if (last?.name === name) last.places.push(place);
    else inputs.push({ name, places: [place] });
  });
  return inputs;
}

/** What each input adds, from what each feature does: [rows, features] to [rows, inputs]. */
export function byInput(contributions: Float64Array, features: readonly FittedFeature[], join: 'sum' | 'largest'): Float64Array {
  const inputs = inputsOf(features);
  const rows = contributions.length / features.length;
  const joined = new Float64Array(rows * inputs.length);
  inputs.forEach(({ places }, input) => {
    for (let row = 0; row < rows; row++) {
      const own = places.map((place) => contributions[row * features.length + place]!);
      joined[row * inputs.length + input] = join === 'sum' ? own.reduce((sum, part) => sum + part, 0) : Math.max(...own);
    }
  });
  return joined;
}

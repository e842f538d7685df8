import { CheckField } from '../../design/field.tsx';
import type { FieldSchema } from './schema-draft.ts';

/** The word that a configuration has for a family. */
export const familyNameOf = (family: FieldSchema): string => String(family.properties?.['family']?.const);

interface FamilyChoiceProps {
  families: readonly FieldSchema[];
  chosen: readonly string[];
  onChosen(names: readonly string[]): void;
}

/** Which families of models are compared, each with its usual settings. */
export function FamilyChoice({ families, chosen, onChosen }: FamilyChoiceProps) {
  return (
    <div className="grid gap-4 sm:grid-cols-2">
      {families.map((family) => {
        const name = familyNameOf(family);
        return (
          <CheckField
            key={name}
            label={family.title ?? name}
            hint={family.description}
            isChecked={chosen.includes(name)}
            onChecked={(isOn) => onChosen(isOn ? [...chosen, name] : chosen.filter((other) => other !== name))}
          />
        );
      })}
    </div>
  );
}

import { CheckField } from '../../design/field.tsx';
import type { RollbackRuleInput } from '../../gql/graphql.ts';
import type { Problem } from '../../graphql/refusal.ts';

/** What is to become of a version that refuses what the one before took. */
export interface InputsChoice {
  isJudged: boolean;
  isOtherAllowed: boolean;
}

export const usualInputsChoice: InputsChoice = { isJudged: false, isOtherAllowed: false };

/** Ten points more. */
export const refusalRule = { metric: 'REFUSED_RATE', op: 'ABOVE', threshold: 0.1 } as const satisfies RollbackRuleInput;

interface RolloutInputsFieldsProps {
  chosen: InputsChoice;
  onChosen(chosen: InputsChoice): void;
  /** that the version takes other inputs than the one before, once the server has said so */
  problem: Problem | null;
}

export function RolloutInputsFields({ chosen, onChosen, problem }: RolloutInputsFieldsProps) {
  return (
    <div className="space-y-2">
      <CheckField
        label="Roll back when it refuses more than the version before"
        hint="Ten in a hundred requests more, over the same time and beyond chance. Whoever may predict can send rows that are refused: choose it where callers mean well."
        isChecked={chosen.isJudged}
        onChecked={(isJudged) => onChosen({ ...chosen, isJudged })}
      />
      {(problem || chosen.isOtherAllowed) && (
        <CheckField
          label="It may take other inputs than the version before"
          hint="Callers send what it wants already, or will by then."
          isChecked={chosen.isOtherAllowed}
          onChecked={(isOtherAllowed) => onChosen({ ...chosen, isOtherAllowed })}
        />
      )}
    </div>
  );
}

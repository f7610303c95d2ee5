import type { Builtin, Builtins } from '../builtins.ts';
import { castBuiltins } from './casts.ts';
import { collectionBuiltins } from './collections.ts';
import { failingSoftly } from './operands.ts';
import { stringBuiltins } from './strings.ts';
import { timeBuiltins } from './time.ts';

const families = [castBuiltins, collectionBuiltins, stringBuiltins, timeBuiltins];

/** Every builtin that a policy may use and that OPA's compiler doesn't put into the module itself, by its OPA name. */
export const builtins: Builtins = Object.fromEntries(
  families.flatMap((family): [string, Builtin][] => Object.entries(family).map(([name, builtin]) => [name, failingSoftly(builtin as Builtin & (() => never))])),
);

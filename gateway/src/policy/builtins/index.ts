import type { Builtin, Builtins } from '../builtins.ts';
import { castBuiltins } from './casts.ts';
import { collectionBuiltins } from './collections.ts';
import { encodingBuiltins } from './encodings.ts';
import { hashBuiltins } from './hashes.ts';
import { jsonPatchBuiltins } from './json-patch.ts';
import { jsonSchemaBuiltins } from './json-schema.ts';
import { jwtBuiltins } from './jwt.ts';
import { netCidrBuiltins } from './net-cidr.ts';
import { failingSoftly } from './operands.ts';
import { regexBuiltins } from './regex.ts';
import { semverBuiltins } from './semver.ts';
import { stringBuiltins } from './strings.ts';
import { timeBuiltins } from './time.ts';
import { unitBuiltins } from './units.ts';
import { uuidBuiltins } from './uuid.ts';

const families = [
	castBuiltins,
	collectionBuiltins,
	encodingBuiltins,
	hashBuiltins,
	jsonPatchBuiltins,
	jsonSchemaBuiltins,
	jwtBuiltins,
	netCidrBuiltins,
	regexBuiltins,
	semverBuiltins,
	stringBuiltins,
	timeBuiltins,
	unitBuiltins,
	uuidBuiltins,
];

/** Every builtin that a policy may use and that OPA's compiler doesn't put into the module itself, by its OPA name. */
export const builtins: Builtins = Object.fromEntries(
	families.flatMap((family): [string, Builtin][] =>
		Object.entries(family).map(([name, builtin]) => [name, failingSoftly(builtin as Builtin & (() => never))]),
	),
);

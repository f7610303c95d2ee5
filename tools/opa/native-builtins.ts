import type { Problem } from './problem.ts';
import { type Module, problemAt, references, stepsOf } from './syntax.ts';

/**
 * Builtins that OPA compiles into every module, where they answer otherwise than `opa eval` and `opa test` do. No gateway can mend them, so
 * whoever uses one has to know. `docs/policy.md` lists the same.
 */
const UNLIKE_OPA: Readonly<Record<string, string>> = {
	format_int: 'in the gateway, a number beyond ±2147483647 stops the policy, and the call is denied: use sprintf("%d", […])',
	'net.cidr_contains':
		'in the gateway, a mapped IPv4 address (::ffff:10.0.0.1) lies in no network: use net.cidr_contains_matches(…) != set()',
	'base64.decode':
		'in the gateway, text without its padding is decoded, where OPA leaves it undefined: compare what base64.encode gives back',
};

/** Each use of such a builtin, with its place. */
export function nativeBuiltinWarnings(modules: readonly Module[]): Problem[] {
	return modules.flatMap(({ path, rules }) =>
		[...references(rules)].flatMap((reference): Problem[] => {
			const name = stepsOf(reference).join('.');
			const says = Object.hasOwn(UNLIKE_OPA, name) ? UNLIKE_OPA[name] : undefined;
			return says === undefined || reference.location === undefined
				? []
				: [{ ...problemAt(reference.location, `${name}: ${says}`, path.join('.')), severity: 'warning' }];
		}),
	);
}

/** Where rules have to stand to be heard: in `toolgate.rules.<team>`, exactly one level. */

const TEXT = String.raw`"(?:[^"\\\n]|\\.)*"|${'`'}[^${'`'}]*${'`'}`;
const PATH = String.raw`[A-Za-z_]\w*(?:\.[A-Za-z_]\w*|\[\s*(?:${TEXT})\s*\])*`;
const PACKAGE = new RegExp(String.raw`^(?:\s|#[^\n]*\n)*package(?:\s|#[^\n]*\n)+(${PATH})`);
/** A rule that adds to a set, such as `finding contains …`; nothing else in Rego looks like it. */
const SET_RULE = new RegExp(String.raw`^[ \t]*(${PATH})[ \t]+contains[ \t]`, 'gm');
const STEP = new RegExp(String.raw`[A-Za-z_]\w*|${TEXT}`, 'g');
/** The sets that the decision library reads from a team's package. */
const SETS = ['access', 'finding', 'result_finding'];

/**
 * Why rules of a Rego source would not be heard: the compiler leaves out what the decision library does not ask for, so that a denial in a nested
 * package is silently none. Undefined when all is in place.
 */
export function misplacedIn(source: string): string | undefined {
	const declared = PACKAGE.exec(source)?.[1];
	if (declared === undefined) return 'its package can not be told';
	const path = stepsOf(declared);
	if (isBelowRules(path) && path.length !== 3)
		return `package ${declared} would never be asked; a team has one package, toolgate.rules.<team>`;
	for (const [, rule] of source.matchAll(SET_RULE)) {
		const steps = [...path, ...stepsOf(rule!)];
		if (isBelowRules(steps) && SETS.includes(steps.at(-1)!) && steps.length !== 4)
			return `${steps.join('.')} would never be asked; the sets of a team stand directly in its package`;
	}
	return undefined;
}

const isBelowRules = ([first, second]: readonly string[]): boolean => first === 'toolgate' && second === 'rules';

function stepsOf(path: string): string[] {
	return (path.match(STEP) ?? []).map((step) => {
		if (step.startsWith('`')) return step.slice(1, -1);
		if (!step.startsWith('"')) return step;
		try {
			return JSON.parse(step) as string;
		} catch {
			return step;
		}
	});
}

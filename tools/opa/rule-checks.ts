import { shapeProblems } from './finding-shape.ts';
import type { Problem } from './problem.ts';
import { branchesOf, type Location, type Module, nameOf, problemAt, references, type Rule, stepsOf, type Term } from './syntax.ts';

/** The sets that the decision library reads from a team's package. */
const SETS = ['access', 'finding', 'result_finding'] as const;
type SetName = (typeof SETS)[number];

/** What the input of listing does not have, so that `access` can't depend on it. */
const ONLY_IN_CALLS = ['method', 'session', 'arguments', 'argumentsDigest', 'argumentsBytes', 'approvals', 'result'];

const isSet = (name: string): name is SetName => (SETS as readonly string[]).includes(name);
const isTeam = ({ path }: Module): boolean => path.length === 3 && path[0] === 'toolgate' && path[1] === 'rules';

/** Mistakes that OPA accepts and that would make a rule silently mean something else. `modules` is the whole policy, without tests. */
export function ruleProblems(modules: readonly Module[]): Problem[] {
	const policy = new Policy(modules);
	return modules.flatMap((module) => [...packageProblems(module), ...(isTeam(module) ? teamProblems(module, policy) : [])]);
}

function packageProblems({ path, at, file }: Module): Problem[] {
	const name = path.join('.');
	if (path[0] !== 'toolgate' || path.length < 2)
		return [problemAt(at, `package ${name}: the packages of a policy are toolgate.<name>, and rules stand in toolgate.rules.<team>`)];
	if (path[1] === 'rules' && path.length !== 3)
		return [problemAt(at, `package ${name}: rules stand in toolgate.rules.<team>, exactly one level; here they would not be heard`)];
	const isLibrary = path[1] === 'decision' || path[1] === 'finding';
	if (isLibrary && !/(^|[\\/])lib[\\/]/.test(file))
		return [problemAt(at, `package ${name} is the decision library: rules stand in toolgate.rules.<team>`)];
	return [];
}

function teamProblems(module: Module, policy: Policy): Problem[] {
	const team = module.path[2]!;
	const feeding = feedersOf(module, policy);
	return module.rules.flatMap((rule) => {
		const name = nameOf(rule);
		const fed = feeding.get(name);
		const label = `${module.path.join('.')}.${name}`;
		const last = String(rule.head.ref.at(-1)!.value);
		if (rule.head.ref.length > 1 && (isSet(name) || isSet(last)))
			return [problemAt(rule.location, `${last} stands directly in the package of the team; here it would not be heard`, label)];
		if (fed !== undefined) {
			if (rule.head.key === undefined || rule.head.value !== undefined)
				return [problemAt(rule.location, `${fed} takes its findings from ${name}: write ${name}.<tool> contains … if { … }`, label)];
			return findingProblems(module, rule, { policy, team, set: fed, label });
		}
		if (!isSet(name))
			return policy.isRead(module, name)
				? []
				: [problemAt(rule.location, `nothing reads ${name}: the library hears ${SETS.join(', ')}`, label)];
		if (rule.head.key === undefined) return [problemAt(rule.location, `${name} is a set: write ${name} contains … if { … }`, label)];
		if (name === 'access') return accessProblems(module, rule, policy, label);
		return findingProblems(module, rule, { policy, team, set: name, label });
	});
}

function accessProblems(module: Module, rule: Rule, policy: Policy, label: string): Problem[] {
	const found = policy.readsOf(module, rule).find(({ steps }) => ONLY_IN_CALLS.includes(steps[1]!));
	if (found === undefined) return [];
	return [
		problemAt(
			found.at ?? rule.location,
			`access decides the list too, where there is no input.${found.steps[1]}: say it in a finding`,
			label,
		),
	];
}

interface FindingContext {
	readonly policy: Policy;
	readonly team: string;
	readonly set: 'finding' | 'result_finding';
	readonly label: string;
}

function findingProblems(module: Module, rule: Rule, { policy, team, set, label }: FindingContext): Problem[] {
	const locals = localsOf(rule.body);
	const key = rule.head.key!;
	if (feederOf(module, rule, policy) !== undefined) return [];
	const finding = key.type === 'var' ? (locals.get(key.value as string)?.term ?? key) : key;
	if (finding.type !== 'object')
		return [
			problemAt(
				key.location ?? rule.location,
				`write the finding out as an object, so that its rule, verdict and message can be checked`,
				label,
			),
		];
	const traps = [...references(finding.value)].flatMap((reference) => {
		const read = neededArgument(module, reference, locals, policy);
		if (read === undefined) return [];
		return [
			problemAt(
				reference.location ?? rule.location,
				`without ${read} there is no finding, and the call goes through: use object.get(…) with the strictest default`,
				label,
			),
		];
	});
	return [...shapeProblems(finding, team, set, label), ...traps];
}

/** Sets of the module's own whose items are findings, as in `finding contains found if some found in for_tool[input.tool.name]`. */
function feedersOf(module: Module, policy: Policy): Map<string, FindingContext['set']> {
	return new Map(
		module.rules.flatMap((rule): [string, FindingContext['set']][] => {
			const set = nameOf(rule);
			const feeder = set === 'finding' || set === 'result_finding' ? feederOf(module, rule, policy) : undefined;
			return feeder === undefined ? [] : [[feeder, set as FindingContext['set']]];
		}),
	);
}

function feederOf(module: Module, { head, body }: Rule, policy: Policy): string | undefined {
	if (head.key?.type !== 'var') return undefined;
	const local = localsOf(body).get(head.key.value as string);
	if (local === undefined || !local.isItem) return undefined;
	const steps = policy.resolve(module, local.term);
	const isOwn = module.path.every((step, index) => steps[index] === step);
	const name = steps[module.path.length];
	return isOwn && name !== undefined && !isSet(name) && policy.rulesAt(steps).length > 0 ? name : undefined;
}

/** A variable of a body: what it is assigned, or what it is an item of. */
interface Local {
	readonly term: Term;
	readonly isItem: boolean;
}

function localsOf(body: Rule['body'] = []): Map<string, Local> {
	const locals = new Map<string, Local>();
	for (const { terms } of body) {
		if (Array.isArray(terms)) {
			const [operator, left, right] = terms as Term[];
			if ((stepsOf(operator!)[0] === 'assign' || stepsOf(operator!)[0] === 'eq') && left?.type === 'var')
				locals.set(left.value as string, { term: right!, isItem: false });
		} else if ('symbols' in terms) {
			// `some key, item in domain` is one call: internal.member_3(key, item, domain).
			for (const { type, value } of terms.symbols ?? []) {
				if (type !== 'call') continue;
				const [, ...parts] = value as Term[];
				for (const part of parts.slice(0, -1))
					if (part.type === 'var') locals.set(part.value as string, { term: parts.at(-1)!, isItem: true });
			}
		}
	}
	return locals;
}

const ITEM = '*';

/** The argument that a reference in a finding can't do without, as a person reads it; undefined when there is none. */
function neededArgument(module: Module, reference: Term, locals: ReadonlyMap<string, Local>, policy: Policy): string | undefined {
	for (const steps of sourcesOf(module, reference, locals, policy)) {
		if (isArgument(steps)) return steps.join('.');
		const rules = policy.rulesAt(steps);
		if (rules.some(({ rule }) => rule.default === true || rule.head.args !== undefined)) continue;
		for (const { module: home, rule } of rules) {
			const read = [...references([rule.body, rule.head.value])].map((inner) => policy.resolve(home, inner)).find(isArgument);
			if (read !== undefined) return `${steps.at(-1)} (it reads ${read.join('.')} and has no default)`;
		}
	}
	return undefined;
}

/** Where a value in a finding comes from, through the variables of the body. `seen` ends the circle of `a = b`, `b = a`. */
function* sourcesOf(
	module: Module,
	reference: Term,
	locals: ReadonlyMap<string, Local>,
	policy: Policy,
	seen: readonly string[] = [],
): Generator<string[]> {
	const [first, ...rest] = stepsOf(reference);
	const local = first === undefined || seen.includes(first) ? undefined : locals.get(first);
	if (first === undefined || local === undefined) {
		const isComputed = reference.type === 'ref' && (reference.value as Term[]).length > 1 + rest.length;
		yield [...policy.resolve(module, reference), ...(isComputed ? ['…'] : [])];
		return;
	}
	const isPlain = local.term.type === 'ref' || local.term.type === 'var';
	for (const inner of isPlain ? [local.term] : references(local.term)) {
		for (const steps of sourcesOf(module, inner, locals, policy, [...seen, first]))
			yield isPlain ? [...steps, ...(local.isItem ? [ITEM] : []), ...rest] : steps;
	}
}

/** Something below `input.arguments`. The arguments as a whole are always there, and the item of a list is there when the body holds. */
const isArgument = (steps: readonly string[]): boolean =>
	steps[0] === 'input' && steps[1] === 'arguments' && steps.length > 2 && steps.at(-1) !== ITEM;

/** The rules by their full names, and who reads whom. */
class Policy {
	readonly #rules = new Map<string, { module: Module; rule: Rule }[]>();
	readonly #read = new Map<string, Set<string>>();

	constructor(modules: readonly Module[]) {
		for (const module of modules) {
			for (const rule of module.rules.flatMap(branchesOf)) {
				const name = [...module.path, nameOf(rule)].join('.');
				this.#rules.set(name, [...(this.#rules.get(name) ?? []), { module, rule }]);
			}
		}
		for (const [name, rules] of this.#rules) {
			for (const { module, rule } of rules) {
				for (const reference of references([rule.head.key, rule.head.value, rule.head.args, rule.body])) {
					const read = this.#nameAt(this.resolve(module, reference));
					if (read !== undefined && read !== name) this.#read.set(read, (this.#read.get(read) ?? new Set()).add(name));
				}
			}
		}
	}

	/** The reference from `input` or `data` on; `data` itself is left out, as in package paths. */
	resolve(module: Module, reference: Term): string[] {
		const [first, ...rest] = stepsOf(reference);
		if (first === undefined) return [];
		const imported = module.imports.get(first);
		const steps = imported === undefined ? [first, ...rest] : [...imported, ...rest];
		if (steps[0] === 'input') return steps;
		if (steps[0] === 'data') return steps.slice(1);
		return [...module.path, ...steps];
	}

	rulesAt(steps: readonly string[]): readonly { module: Module; rule: Rule }[] {
		const name = this.#nameAt(steps);
		return name === undefined ? [] : this.#rules.get(name)!;
	}

	/** Does another rule read this one. */
	isRead(module: Module, name: string): boolean {
		return this.#read.has([...module.path, name].join('.'));
	}

	/** Everything of the input that a rule reads, itself or through others. */
	readsOf(module: Module, rule: Rule): { steps: string[]; at?: Location }[] {
		const seen = new Set<string>();
		const reads: { steps: string[]; at?: Location }[] = [];
		const visit = (home: Module, one: Rule): void => {
			for (const reference of references([one.head.key, one.head.value, one.head.args, one.body, one.else])) {
				const steps = this.resolve(home, reference);
				if (steps[0] === 'input') reads.push({ steps, ...(reference.location === undefined ? {} : { at: reference.location }) });
				const name = this.#nameAt(steps);
				if (name === undefined || seen.has(name)) continue;
				seen.add(name);
				for (const next of this.#rules.get(name)!) visit(next.module, next.rule);
			}
		};
		visit(module, rule);
		return reads;
	}

	#nameAt(steps: readonly string[]): string | undefined {
		for (let length = steps.length; length > 0; length--) {
			const name = steps.slice(0, length).join('.');
			if (this.#rules.has(name)) return name;
		}
		return undefined;
	}
}

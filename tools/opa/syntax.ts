import { runOpa } from './index.ts';
import type { Problem } from './problem.ts';

/** A term of Rego's syntax tree, as `opa parse --format json` writes it. */
export interface Term {
	readonly type: string;
	readonly value: unknown;
	readonly location?: Location;
}

export interface Location {
	readonly file: string;
	readonly row: number;
	readonly col: number;
}

export interface Rule {
	readonly location: Location;
	readonly default?: boolean;
	readonly head: {
		/** `finding` in `finding contains …`; several parts for `eu.finding contains …`. */
		readonly ref: readonly Term[];
		/** What a set contains. */
		readonly key?: Term;
		readonly value?: Term;
		readonly args?: readonly Term[];
	};
	readonly body?: readonly Expression[];
	readonly else?: Rule;
}

export interface Expression {
	/** A call (operator first), one term, or the parts of `some … in` and `every`. */
	readonly terms: Term | readonly Term[] | { readonly symbols?: readonly Term[]; readonly domain?: Term };
}

export interface Module {
	readonly file: string;
	/** Without `data`: `['toolgate', 'rules', 'payments']`. */
	readonly path: readonly string[];
	readonly at: Location;
	/** Name → what it stands for: `args` → `['input', 'arguments']`. */
	readonly imports: ReadonlyMap<string, readonly string[]>;
	readonly rules: readonly Rule[];
}

interface ParsedModule {
	readonly package: { readonly location: Location; readonly path: readonly Term[] };
	readonly imports?: readonly { readonly alias?: string; readonly path: Term }[];
	readonly rules?: readonly Rule[];
}

const PARSED_AT_ONCE = 4;

/** The syntax trees of files that OPA has found nothing wrong with, in the same order. */
export async function parseModules(files: readonly string[]): Promise<Module[]> {
	const modules: Module[] = [];
	for (let at = 0; at < files.length; at += PARSED_AT_ONCE)
		modules.push(...(await Promise.all(files.slice(at, at + PARSED_AT_ONCE).map(parseModule))));
	return modules;
}

async function parseModule(file: string): Promise<Module> {
	const { code, stdout, stderr } = await runOpa(['parse', '--format', 'json', '--json-include', 'locations', file]);
	if (code !== 0) throw new Error(`opa parse ${file}: ${stderr.trim() || stdout.trim()}`);
	const parsed = JSON.parse(stdout) as ParsedModule;
	const imports = (parsed.imports ?? []).map(({ alias, path }): [string, string[]] => {
		const steps = stepsOf(path);
		return [alias ?? steps.at(-1)!, steps];
	});
	return {
		file,
		path: parsed.package.path.slice(1).map(({ value }) => String(value)),
		at: parsed.package.path.at(-1)?.location ?? parsed.package.location,
		imports: new Map(imports),
		rules: parsed.rules ?? [],
	};
}

/** The steps of a reference until one that is computed: `input.arguments[x].id` → `['input', 'arguments']`. */
export function stepsOf({ type, value }: Term): string[] {
	if (type === 'var') return [value as string];
	if (type !== 'ref') return [];
	const [first, ...rest] = value as Term[];
	const computed = rest.findIndex((step) => step.type !== 'string');
	const fixed = computed < 0 ? rest : rest.slice(0, computed);
	return [...(first!.type === 'var' ? [first!.value as string] : []), ...fixed.map((step) => step.value as string)];
}

/** Every reference and variable below `node`, whole references first. */
export function* references(node: unknown): Generator<Term> {
	if (Array.isArray(node)) {
		for (const item of node) yield* references(item);
	} else if (typeof node === 'object' && node !== null) {
		const term = node as Term;
		if (term.type === 'ref' || term.type === 'var') yield term;
		if (term.type === 'ref') yield* references((term.value as Term[]).slice(1).filter(({ type }) => type !== 'string'));
		else if (term.type !== 'var') for (const [name, part] of Object.entries(node)) if (name !== 'location') yield* references(part);
	}
}

export const nameOf = ({ head }: Rule): string => String(head.ref[0]!.value);

/** A rule and everything that its `else` branches say. */
export function branchesOf(rule: Rule): Rule[] {
	return rule.else === undefined
		? [rule]
		: [rule, ...branchesOf({ ...rule.else, head: { ...rule.head, ...rule.else.head, ref: rule.head.ref } })];
}

export function problemAt({ file, row, col }: Location, message: string, rule?: string): Problem {
	return { file, line: row, column: col, message, ...(rule === undefined ? {} : { rule }) };
}

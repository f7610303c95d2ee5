import { isMap, isScalar, LineCounter, type Node, type Pair, parseDocument } from 'yaml';
import type { Group, Leaf, Named, Schema, Value } from './config-schema.ts';
import { ToolGateError } from './errors.ts';

export interface Origin {
	readonly path: readonly string[];
	/** `default`, `env NAME`, or `file:line`. */
	readonly from: string;
	readonly isSecret: boolean;
}

export interface ReadOptions {
	/** As the operator named it, for messages. */
	readonly file: string;
	readonly environment: Readonly<Record<string, string | undefined>>;
}

/** Groups and named keys as the reader walks them: without the types that `Value` infers. */
type AnyGroup = Pick<Group<Record<string, never>>, 'check'> & { readonly shape: Readonly<Record<string, Schema>> };
type AnyNamed = Pick<Named<Leaf<unknown>>, 'key' | 'keyExpected' | 'fallback'> & { readonly each: Schema };

/**
 * Reads YAML against a schema. The environment wins over the file, the file over the default.
 * @throws {ToolGateError} CONFIG: `file:line: key: what was expected`.
 */
export function readYaml<S extends Schema>(
	schema: S,
	source: string,
	options: ReadOptions,
): { value: Value<S>; origins: Map<string, Origin> } {
	const lines = new LineCounter();
	const document = parseDocument(source, { lineCounter: lines, uniqueKeys: true });
	const { file, environment } = options;
	const fail = (line: number, text: string): never => {
		throw new ToolGateError('CONFIG', `${file}:${line}: ${text}`);
	};
	const lineOf = (node: Node | null | undefined): number => (node?.range ? lines.linePos(node.range[0]).line : 1);
	const broken = document.errors[0];
	if (broken !== undefined) fail(broken.linePos?.[0].line ?? 1, broken.message.split('\n')[0]!.replace(/ at line \d+, column \d+:?$/, ''));
	const origins = new Map<string, Origin>();

	function read(at: Schema, node: Node | null, path: readonly string[], line: number): unknown {
		switch (at.node) {
			case 'leaf':
				return readLeaf(at as Leaf<unknown>, node, path, line);
			case 'group':
				return readGroup(at as unknown as AnyGroup, node, path, line);
			case 'named':
				return readNamed(at as unknown as AnyNamed, node, path);
		}
	}

	function pairsOf(node: Node | null, path: readonly string[]): { key: string; value: Node | null; line: number }[] {
		if (node === null || (isScalar(node) && node.value === null)) return [];
		if (!isMap(node)) return fail(lineOf(node), `${path.join('.') || 'the file'}: expected keys and values`);
		return node.items.map((pair: Pair) => ({
			key: String(isScalar(pair.key) ? pair.key.value : pair.key),
			value: pair.value as Node | null,
			line: lineOf(pair.key as Node),
		}));
	}

	function readGroup(at: AnyGroup, node: Node | null, path: readonly string[], line: number): unknown {
		const pairs = pairsOf(node, path);
		const keys = Object.keys(at.shape);
		for (const pair of pairs) {
			if (keys.includes(pair.key)) continue;
			const near = nearest(pair.key, keys);
			fail(
				pair.line,
				`${[...path, pair.key].join('.')}: unknown key${near === undefined ? `; expected one of ${keys.join(', ')}` : `, did you mean ${near}?`}`,
			);
		}
		const value: Record<string, unknown> = {};
		for (const key of keys) {
			const pair = pairs.find((candidate) => candidate.key === key);
			value[key] = read(at.shape[key]!, pair?.value ?? null, [...path, key], pair?.line ?? line);
		}
		const wrong = at.check?.(value as never);
		if (wrong !== undefined) fail(line, `${path.join('.')}: ${wrong}`);
		return value;
	}

	function readNamed(at: AnyNamed, node: Node | null, path: readonly string[]): unknown {
		if (node === null) return at.fallback;
		const value: Record<string, unknown> = {};
		for (const pair of pairsOf(node, path)) {
			if (!at.key.test(pair.key)) fail(pair.line, `${[...path, pair.key].join('.')}: expected a name of ${at.keyExpected}`);
			value[pair.key] = read(at.each, pair.value, [...path, pair.key], pair.line);
		}
		return value;
	}

	function readLeaf(at: Leaf<unknown>, node: Node | null, path: readonly string[], line: number): unknown {
		const note = (from: string) => origins.set(path.join('.'), { path, from, isSecret: at.isSecret === true });
		const fromEnvironment = at.env === undefined ? undefined : environment[at.env];
		if (fromEnvironment !== undefined && fromEnvironment !== '') {
			const value = at.read(fromEnvironment);
			if (value === undefined) throw new ToolGateError('CONFIG', `environment variable ${at.env}: expected ${at.expected}`);
			note(`env ${at.env}`);
			return value;
		}
		if (node === null || (isScalar(node) && node.value === null)) {
			note('default');
			return at.fallback;
		}
		const value = at.read(expand(node.toJS(document), path, line));
		if (value === undefined && !(at.fallback === undefined && isScalar(node) && node.value === '')) {
			fail(line, `${path.join('.')}: expected ${at.expected}${at.isSecret === true ? '' : `, found ${shown(node.toJS(document))}`}`);
		}
		note(`${file}:${line}`);
		return value;
	}

	/** `${NAME}` in a text takes an environment variable, which has to be set; `${NAME:-text}` has a default. */
	function expand(value: unknown, path: readonly string[], line: number): unknown {
		if (typeof value === 'string') {
			return value.replace(/\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}/g, (_, name: string, otherwise?: string) => {
				const text = environment[name] || otherwise;
				return text ?? fail(line, `${path.join('.')}: environment variable ${name} is not set`);
			});
		}
		if (Array.isArray(value)) return value.map((item) => expand(item, path, line));
		if (typeof value === 'object' && value !== null) {
			return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, expand(item, path, line)]));
		}
		return value;
	}

	return { value: read(schema, document.contents as Node | null, [], 1) as Value<S>, origins };
}

function shown(value: unknown): string {
	const json = JSON.stringify(value) ?? 'nothing';
	return json.length > 60 ? `${json.slice(0, 57)}…` : json;
}

/** The key that a typing slip probably meant: one edit away, or the same but for case. */
function nearest(typed: string, keys: readonly string[]): string | undefined {
	return keys.find((key) => key.toLowerCase() === typed.toLowerCase() || isOneEditAway(typed, key));
}

function isOneEditAway(a: string, b: string): boolean {
	if (Math.abs(a.length - b.length) > 1) return false;
	let start = 0;
	while (start < a.length && start < b.length && a[start] === b[start]) start++;
	let end = 0;
	while (end < a.length - start && end < b.length - start && a[a.length - 1 - end] === b[b.length - 1 - end]) end++;
	return Math.max(a.length, b.length) - start - end <= 1 || (a.length === b.length && a.length - start - end === 2);
}

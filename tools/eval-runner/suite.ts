import { readFileSync } from 'node:fs';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { isMap, isScalar, isSeq, LineCounter, type Node, parseDocument } from 'yaml';

export interface TraceEntry {
	readonly tool: string;
	readonly decision: string;
	readonly then?: string;
	readonly times?: number;
}

/** One case of a suite: `evalsuite/suite.schema.json` says what each field means. */
export interface EvalCase {
	readonly name: string;
	readonly input: string;
	readonly principal: string;
	readonly mustInclude?: readonly string[];
	readonly mustNotInclude?: readonly string[];
	readonly policyOutcome?: string;
	readonly mustNotContainInArgs?: readonly string[];
	readonly mustSay?: readonly string[];
	readonly trace?: readonly TraceEntry[];
	readonly faults?: { readonly localstripe?: 'down'; readonly 'localstripe-mcp'?: 'down'; readonly 'mock-lark'?: 'down' | 'reject' | 'ignore' };
	readonly ledger?: { readonly refunds?: number; readonly refundedCents?: number };
	readonly messages?: { readonly mustContain?: readonly string[]; readonly mustNotContain?: readonly string[] };
}

export interface Suite {
	readonly file: string;
	readonly cases: readonly EvalCase[];
}

/** A mistake in a suite or on the command line: one line, exit code 2. */
export class SuiteError extends Error {
	override readonly name = 'SuiteError';
}

const schema = JSON.parse(readFileSync(new URL('../../evalsuite/suite.schema.json', import.meta.url), 'utf8')) as object;
const validate = new Ajv2020({ allErrors: false, verbose: true }).compile<{ cases: EvalCase[] }>(schema);

/** @throws {SuiteError} `file:line:column: where: what was expected` */
export function readSuite(file: string): Suite {
	let source: string;
	try {
		source = readFileSync(file, 'utf8');
	} catch {
		throw new SuiteError(`${file}: no such file; suites are in evalsuite/`);
	}
	const lines = new LineCounter();
	const document = parseDocument(source, { lineCounter: lines });
	const broken = document.errors[0];
	if (broken !== undefined) {
		const { line, col } = lines.linePos(broken.pos[0]);
		throw new SuiteError(`${file}:${line}:${col}: ${broken.message.split('\n')[0]!.replace(/ at line .*$/, '')}`);
	}
	const value: unknown = document.toJS();
	const at = (pointer: string, text: string): SuiteError => {
		const { line, col } = lines.linePos(nodeAt(document.contents as Node | null, pointer)?.range?.[0] ?? 0);
		return new SuiteError(`${file}:${line}:${col}: ${text}`);
	};
	if (!validate(value)) {
		const { instancePath, message, params, keyword } = validate.errors![0]!;
		const unknown = keyword === 'additionalProperties' ? String((params as { additionalProperty: string }).additionalProperty) : undefined;
		const allowed = keyword === 'enum' ? `: ${(params as { allowedValues: unknown[] }).allowedValues.join(', ')}` : '';
		const pointer = unknown === undefined ? instancePath : `${instancePath}/${unknown}`;
		throw at(pointer, `${named(value, pointer)}${unknown === undefined ? `${message}${allowed}` : 'unknown key'}`);
	}
	const names = value.cases.map(({ name }) => name);
	const twice = names.findIndex((name, index) => names.indexOf(name) !== index);
	if (twice >= 0) throw at(`/cases/${twice}/name`, `the name "${names[twice]}" stands twice`);
	return { file, cases: value.cases };
}

/** `case "approval timeout", trace.0.tool: ` */
function named(value: unknown, pointer: string): string {
	const [, list, index, ...rest] = pointer.split('/');
	const name = list === 'cases' && index !== undefined ? (value as { cases: { name?: unknown }[] }).cases[Number(index)]?.name : undefined;
	const where = name === undefined ? pointer.slice(1).replaceAll('/', '.') : [`case "${String(name)}"`, rest.join('.')].filter(Boolean).join(', ');
	return where === '' ? '' : `${where}: `;
}

function nodeAt(root: Node | null, pointer: string): Node | undefined {
	let node: Node | undefined = root ?? undefined;
	for (const step of pointer.split('/').slice(1)) {
		if (isMap(node)) {
			const pair = node.items.find(({ key }) => (isScalar(key) ? String(key.value) : '') === step);
			const value = pair?.value as Node | null | undefined;
			node = value?.range ? value : ((pair?.key as Node | undefined) ?? node);
		} else if (isSeq(node)) node = (node.items[Number(step)] as Node | undefined) ?? node;
	}
	return node;
}

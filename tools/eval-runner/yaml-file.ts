import { readFileSync } from 'node:fs';
import type { ValidateFunction } from 'ajv';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { isMap, isScalar, isSeq, LineCounter, type Node, parseDocument } from 'yaml';
import { UsageError } from './deployment.ts';

/** A YAML file that fits its schema; `at` makes an error that points into it. */
export interface YamlFile<T> {
	readonly value: T;
	/** @param pointer a JSON pointer, `/cases/0/name` */
	readonly at: (pointer: string, text: string) => UsageError;
}

const ajv = new Ajv2020({ allErrors: false, verbose: true, allowUnionTypes: true });

/** The schema of `evalsuite/`, compiled. */
export function schemaOf<T>(name: string): ValidateFunction<T> {
	return ajv.compile<T>(JSON.parse(readFileSync(new URL(`../../evalsuite/${name}`, import.meta.url), 'utf8')) as object);
}

/** @throws {UsageError} `file:line:column: where: what was expected` */
export function readYaml<T>(file: string, validate: ValidateFunction<T>): YamlFile<T> {
	let source: string;
	try {
		source = readFileSync(file, 'utf8');
	} catch {
		throw new UsageError(`${file}: no such file; suites are in evalsuite/`);
	}
	const lines = new LineCounter();
	const document = parseDocument(source, { lineCounter: lines });
	const broken = document.errors[0];
	if (broken !== undefined) {
		const { line, col } = lines.linePos(broken.pos[0]);
		throw new UsageError(`${file}:${line}:${col}: ${broken.message.split('\n')[0]!.replace(/ at line .*$/, '')}`);
	}
	const value: unknown = document.toJS();
	const at = (pointer: string, text: string): UsageError => {
		const { line, col } = lines.linePos(nodeAt(document.contents as Node | null, pointer)?.range?.[0] ?? 0);
		return new UsageError(`${file}:${line}:${col}: ${text}`);
	};
	if (validate(value)) return { value, at };
	const { instancePath, message, params, keyword, parentSchema } = validate.errors![0]!;
	const unknown = keyword === 'additionalProperties' ? String((params as { additionalProperty: string }).additionalProperty) : undefined;
	const allowed = keyword === 'enum' ? `: ${(params as { allowedValues: unknown[] }).allowedValues.join(', ')}` : '';
	const pointer = unknown === undefined ? instancePath : `${instancePath}/${unknown}`;
	throw at(
		pointer,
		`${named(value, pointer)}${unknown === undefined ? `${message}${allowed}` : `unknown key; there are ${Object.keys(parentSchema?.['properties'] ?? {}).join(', ')}`}`,
	);
}

/** `case "approval timeout", trace.0.tool: ` */
function named(value: unknown, pointer: string): string {
	const [, list, index, ...rest] = pointer.split('/');
	const name = list === 'cases' && index !== undefined ? (value as { cases: { name?: unknown }[] }).cases[Number(index)]?.name : undefined;
	const where =
		name === undefined ? pointer.slice(1).replaceAll('/', '.') : [`case "${String(name)}"`, rest.join('.')].filter(Boolean).join(', ');
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

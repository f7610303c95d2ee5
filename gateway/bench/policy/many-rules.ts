import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runOpa } from '../../../tools/opa/index.ts';
import type { JsonObject } from '../../src/domain.ts';
import { readPacked, unpackFiles } from '../../src/policy/bundle-files.ts';

const LIBRARY = join(import.meta.dirname, '../../../policy/lib');

/** Two ways to write as many rules as there are tools. */
export const FORMS = {
	/** Each a `finding` that asks for its tool: all of them are gone through. */
	'one by one': (index: number) =>
		`finding contains ${finding(index)} if {\n\tinput.tool.name == "tool_${index}"\n\tinput.arguments.amount > ${index}\n}\n`,
	/** Kept by tool: only those of the one tool are gone through. */
	'by tool': (index: number) => `for_tool.tool_${index} contains ${finding(index)} if input.arguments.amount > ${index}\n`,
} as const;
export type Form = keyof typeof FORMS;

const finding = (index: number): string => `{"rule": "bench.rule_${index}", "verdict": "deny", "message": "rule ${index}"}`;

/** The decision library with so many rules, compiled. Returns `policy.wasm`. */
export async function compileRules(form: Form, rules: number): Promise<Uint8Array> {
	const folder = await mkdtemp(join(tmpdir(), 'toolgate-bench-'));
	try {
		const lines = [
			'package toolgate.rules.bench',
			'access contains "everybody is measured" if input.server.name == "mock"',
			...(form === 'by tool' ? ['finding contains found if some found in for_tool[input.tool.name]'] : []),
			...Array.from({ length: rules }, (_, index) => FORMS[form](index)),
		];
		await mkdir(join(folder, 'bench'));
		await writeFile(join(folder, 'bench/bench.rego'), lines.join('\n\n'));
		const out = join(folder, 'bundle.tar.gz');
		const { code, stderr } = await runOpa(['build', '-t', 'wasm', '--ignore', '*_test.rego', '-o', out, LIBRARY, join(folder, 'bench')]);
		if (code !== 0) throw new Error(stderr);
		return unpackFiles(await readPacked(out)).get('policy.wasm')!;
	} finally {
		await rm(folder, { recursive: true, force: true });
	}
}

/** A call of that tool, as the gateway tells the policy of it: `bytes` of JSON in all, the larger part of it arguments. */
export function inputOf(tool: number, bytes: number): JsonObject {
	const input = (rows: number, rest: number): JsonObject => ({
		version: 1,
		method: 'tools/call',
		principal: { id: 'alice@example.com', kind: 'user', groups: ['support'], claims: {} },
		agent: { id: 'a' },
		server: { name: 'mock' },
		tool: { name: `tool_${tool}` },
		arguments: {
			amount: 1_000_000,
			rows: Array.from({ length: rows }, (_, index) => ({ id: `row-${index}`, note: 'x'.repeat(40) })),
			rest: 'x'.repeat(rest),
		},
		time: { ms: 0 },
	});
	const sizeOf = (value: JsonObject): number => JSON.stringify(value).length;
	const rows = Math.max(0, Math.floor((bytes - sizeOf(input(0, 0))) / 70));
	return input(rows, Math.max(0, bytes - sizeOf(input(rows, 0))));
}

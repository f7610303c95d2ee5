import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { builtins } from '../../src/policy/builtins/index.ts';
import { createEvaluator } from '../../src/policy/evaluator.ts';
import { readTar } from '../../src/policy/tar.ts';
import { OPA_VERSION, runOpa } from '../../../tools/opa/index.ts';

/** Builtins as OPA's own capabilities declare them. */
interface OpaBuiltin {
	readonly name: string;
	readonly relation?: boolean;
	readonly decl: { readonly args?: readonly unknown[]; readonly result?: unknown };
}

interface Capabilities {
	readonly builtins: readonly OpaBuiltin[];
}

/** Gone before there is a module: the compiler rewrites or drops them. */
const compiledAway = ['assign', 'eq', 'print', 'internal.print', 'rego.metadata.chain', 'rego.metadata.rule'];

/**
 * The capabilities that policies for the gateway are built with: OPA's own, less the builtins that neither the module itself nor the
 * gateway has. What the module has is found out by compiling a call of every builtin.
 * @throws {OpaMissing}
 */
export async function gatewayCapabilities(): Promise<string> {
	const { code, stdout, stderr } = await runOpa(['capabilities', '--version', `v${OPA_VERSION}`]);
	if (code !== 0) throw new Error(`opa capabilities: ${stderr.trim()}`);
	const all = JSON.parse(stdout) as Capabilities;
	const asked = await hostBuiltins(all.builtins.filter(({ name }) => !compiledAway.includes(name)));
	const kept = all.builtins.filter(({ name }) => compiledAway.includes(name) || Object.hasOwn(builtins, name) || !asked.has(name));
	return `${JSON.stringify({ ...all, builtins: kept }, null, 2)}\n`;
}

/** Which of the builtins a compiled module imports. */
async function hostBuiltins(candidates: readonly OpaBuiltin[]): Promise<ReadonlySet<string>> {
	const dir = await mkdtemp(join(tmpdir(), 'toolgate-capabilities-'));
	try {
		await writeFile(join(dir, 'all.rego'), `package all\n\n${candidates.map(callOf).join('\n')}\n`);
		// The old dialect, because the new one refuses calls of deprecated builtins.
		const { code, stdout, stderr } = await runOpa(
			['build', '--v0-compatible', '-t', 'wasm', '-e', 'all/p', '-o', 'all.tar.gz', 'all.rego'],
			{ cwd: dir },
		);
		if (code !== 0) throw new Error(`opa build: ${(stderr || stdout).trim()}`);
		const wasm = readTar(gunzipSync(await readFile(join(dir, 'all.tar.gz')))).find(({ path }) => path === 'policy.wasm');
		if (wasm === undefined) throw new Error('opa build left no policy.wasm');
		const evaluator = await createEvaluator(wasm.bytes, {}, { builtins: {} });
		return new Set(evaluator.missingBuiltins);
	} finally {
		await rm(dir, { recursive: true });
	}
}

function callOf({ name, relation, decl }: OpaBuiltin): string {
	const args = (decl.args ?? []).map((_, i) => `input.a${i}`);
	if (decl.result === undefined) return `p[1] { ${name}(${args.join(', ')}) }`;
	return relation === true ? `p[x] { ${name}(${args.join(', ')}, x) }` : `p[x] { x := ${name}(${args.join(', ')}) }`;
}

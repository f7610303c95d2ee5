import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runOpa } from '../../tools/opa/index.ts';

/** OPA's own answers to calls of builtins, such as `strings.count("a", "b")`, as Rego terms; undefined where it has a builtin error. */
export async function opaAnswers(calls: readonly string[]): Promise<(string | undefined)[]> {
	const dir = await mkdtemp(join(tmpdir(), 'toolgate-calls-'));
	try {
		const rules = calls.map((call, i) => `r${i} := sprintf("%v", [[${call}]])`);
		await writeFile(join(dir, 'calls.rego'), `package calls\n\n${rules.join('\n')}\n`);
		// The old dialect, because the new one refuses calls of deprecated builtins.
		const { code, stdout, stderr } = await runOpa(['eval', '--v0-compatible', '-f', 'json', '-d', 'calls.rego', 'data.calls'], {
			cwd: dir,
		});
		if (code !== 0) throw new Error(`opa eval: ${(stderr || stdout).slice(0, 2000)}`);
		const output = JSON.parse(stdout) as { result: { expressions: { value: Record<string, string> }[] }[] };
		const answers = output.result[0]?.expressions[0]?.value ?? {};
		return calls.map((_, i) => answers[`r${i}`]?.slice(1, -1));
	} finally {
		await rm(dir, { recursive: true });
	}
}

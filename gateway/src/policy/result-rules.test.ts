import { join } from 'node:path';
import t from 'tap';
import { compileRego } from '../../test/compile-rego.ts';
import { ALLOW_ALL, rulesBundle } from '../../test/rules-bundle.ts';
import { readBundle } from './bundle.ts';
import { mayJudgeResults } from './result-rules.ts';

const DENY = '{"rule": "test.no", "verdict": "deny", "message": "no"}';

t.test('a policy may judge results where it has a rule for them, or was made without the library', async (t) => {
	const { wasm: shipped } = await readBundle(join(import.meta.dirname, '../../../bundles/toolgate.tar.gz'));
	t.equal(mayJudgeResults(shipped), false);
	for (const [rules, expected] of [
		[ALLOW_ALL, false],
		[`${ALLOW_ALL}\n\nfinding contains ${DENY} if input.arguments.text == "result_finding"`, false],
		[`${ALLOW_ALL}\n\nresult_finding contains ${DENY} if input.result.isError`, true],
	] as const)
		t.equal(mayJudgeResults((await readBundle(await rulesBundle(t, rules))).wasm), expected, rules);
	const own = 'package toolgate.decision\n\nresult := {"verdict": "deny"} if input.result';
	t.equal(mayJudgeResults(await compileRego(own, ['toolgate/decision/result'])), true, 'nobody can tell');
});

import { randomUUID } from 'node:crypto';
import type { JsonObject } from '../domain.ts';
import { PolicyError } from '../errors.ts';
import type { Evaluator } from './evaluator.ts';
import { EvaluatorJudge } from './judge.ts';

/**
 * Proves that a policy honours the input's version, the schema of a decision, and its own data. Leaves the evaluator with other data.
 * @throws {PolicyError | EvaluationError} what it lacks.
 */
export function selfTest(evaluator: Evaluator, data: JsonObject): void {
	if (evaluator.missingBuiltins.length > 0)
		throw new PolicyError(`the policy needs builtins that the gateway does not provide: ${evaluator.missingBuiltins.join(', ')}`);
	warm(evaluator);
	if (new EvaluatorJudge(evaluator, 'self-test').call({ ...plainInput, version: 999 }).verdict !== 'deny') {
		throw new PolicyError('self-test: an input of an unknown version is not denied');
	}
	// An optimised module has its data compiled in and would go on granting what was taken away.
	const nonce = randomUUID();
	const toolgate = data['toolgate'];
	evaluator.setData({
		...data,
		toolgate: { ...(typeof toolgate === 'object' && !Array.isArray(toolgate) ? toolgate : {}), selftest: nonce },
	});
	if (evaluator.evaluate(plainInput, 'toolgate/decision/selftest') !== nonce)
		throw new PolicyError('self-test: the module does not honour its data; build it without -O');
}

/** Asks once for each kind of decision: the engine compiles what it is first asked for. @throws {PolicyError} */
export function warm(evaluator: Evaluator): void {
	const judge = new EvaluatorJudge(evaluator, 'self-test');
	judge.list(plainInput);
	judge.call(plainInput);
	judge.result({ ...plainInput, result: { content: [] } });
}

const plainInput: JsonObject = {
	version: 1,
	method: 'tools/call',
	principal: { id: 'self-test@toolgate.invalid', kind: 'user', groups: [], claims: {} },
	agent: { id: 'self-test' },
	session: { id: 'self-test', era: 'legacy' },
	server: { name: 'self-test' },
	tool: { name: 'self-test', annotations: {}, definitionDigest: `sha256:${'0'.repeat(64)}`, pinned: true },
	arguments: {},
	argumentsDigest: `hmac-sha256:00000000:${'0'.repeat(64)}`,
	argumentsBytes: 2,
	approvals: [],
	time: { ms: 0, iso: '1970-01-01T00:00:00.000Z', weekday: 'thursday', hour: 0, timezone: 'UTC' },
	environment: 'self-test',
};

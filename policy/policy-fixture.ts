import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { Ajv2020 } from 'ajv/dist/2020.js';
import type { Bundle } from '../gateway/src/policy/bundle.ts';

/** For tests: the schemas, a call, and bundles run by OPA's own SDK, since what is built here has to run in any host of OPA bundles. */
export type Json = Record<string, unknown>;

export interface Decision extends Json {
	readonly verdict: 'allow' | 'budget' | 'approvalRequired' | 'deny';
	readonly reasons: readonly { readonly rule: string; readonly message: string }[];
}

interface LoadedPolicy {
	evaluate(input: Json, entrypoint: string): [{ result: unknown }?];
	setData(data: Json): void;
}
const { loadPolicy } = createRequire(import.meta.url)('@open-policy-agent/opa-wasm') as {
	loadPolicy(wasm: Uint8Array): Promise<LoadedPolicy>;
};

export const policyDir = fileURLToPath(new URL('.', import.meta.url));

const ajv = new Ajv2020({ strict: false });
const schemaOf = (name: string): Json => JSON.parse(readFileSync(`${policyDir}schemas/${name}.json`, 'utf8')) as Json;
export const isInput = ajv.compile(schemaOf('input'));
export const isFinding = ajv.compile(schemaOf('finding'));
export const isDecision = ajv.compile<Decision>(schemaOf('decision'));

/** Evaluates an entrypoint of the decision library by its last name. */
export async function load(bundle: Bundle): Promise<(entrypoint: 'list' | 'call' | 'result' | 'selftest', input: Json) => unknown> {
	const policy = await loadPolicy(bundle.wasm);
	policy.setData(bundle.data);
	return (entrypoint, input) => policy.evaluate(input, `toolgate/decision/${entrypoint}`)[0]?.result;
}

export const listInput = {
	version: 1,
	principal: { id: 'alice@example.com', kind: 'user', groups: ['support'], claims: {} },
	agent: { id: 'billing-bot', name: 'Billing', version: '1.0' },
	server: { name: 'stripe' },
	tool: { name: 'create_refund', annotations: { destructiveHint: true }, definitionDigest: `sha256:${'0'.repeat(64)}`, pinned: true },
	time: { ms: 1000, iso: '1970-01-01T00:00:01.000Z', weekday: 'thursday', hour: 0, timezone: 'UTC' },
	environment: 'test',
};
export const callInput = {
	...listInput,
	method: 'tools/call',
	session: { id: 's', turn: 't', era: 'legacy' },
	arguments: { charge: 'ch_1', amount: 1200 },
	argumentsDigest: `hmac-sha256:k:${'0'.repeat(64)}`,
	argumentsBytes: 31,
	approvals: [],
};

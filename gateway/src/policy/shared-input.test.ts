import { join } from 'node:path';
import t from 'tap';
import type { Caller, Tool } from '../domain.ts';
import { readBundle } from './bundle.ts';
import { createEvaluator } from './evaluator.ts';
import { createInput } from './input.ts';
import { EvaluatorJudge } from './judge.ts';

const caller = (id: string, groups: string[]): Caller => ({
	principal: { id, kind: 'user', groups, claims: { 'a "quoted" claim': '\u2028' } },
	agent: { id: 'agent' },
	session: { era: 'modern' },
});

const tool = (name: string, upstream = 'stripe'): Tool => ({
	upstream,
	name,
	listedName: name,
	definition: { name, annotations: { title: '} "é' } },
	digest: `sha256:${'0'.repeat(64)}`,
	pinned: true,
	validate: () => undefined,
});

t.test('what is listed is what can be called: many inputs that share a part are judged as each of them is', async (t) => {
	const { wasm, data } = await readBundle(join(import.meta.dirname, '../../../bundles/toolgate.tar.gz'));
	const judge = new EvaluatorJudge(await createEvaluator(wasm, data), 'r');
	const { list, shared, own } = createInput({ nowMs: () => 1_795_000_000_000, environment: 'test' });
	const tools = ['list_recent_charges', 'create_refund', 'delete_customer', 'no "such" tool'].flatMap((name) => [
		tool(name),
		tool(name, 'other'),
	]);
	const seen = new Set<boolean>();
	for (const who of [caller('alice@example.com', ['support']), caller('nobody', []), caller('bob\n', ['finance', 'support'])]) {
		const isListed = judge.lister(shared(who));
		for (const each of tools) {
			const expected = judge.list(list(who, each));
			seen.add(expected);
			t.equal(isListed(own(each)), expected, `${who.principal.id} ${each.upstream} ${each.name}`);
			t.equal(isListed(own(each)), expected, 'and again');
			t.same({ ...shared(who), ...own(each) }, list(who, each));
		}
	}
	t.equal(seen.size, 2, 'some are granted, some are not');
	t.throws(() => judge.lister(shared(caller('half a pair \ud800', []))), { name: 'PolicyError' });
});

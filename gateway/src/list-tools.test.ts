import t from 'tap';
import type { Caller, JsonObject, Tool } from './domain.ts';
import { PolicyError, ToolGateError } from './errors.ts';
import { listTools, type ListToolsDeps } from './list-tools.ts';

const caller: Caller = {
	principal: { id: 'alice@example.com', kind: 'user', groups: ['support'], claims: {} },
	agent: { id: 'local' },
	session: { era: 'legacy', id: 's' },
};

function tool(name: string, more: Partial<Tool> = {}): Tool {
	return { upstream: 'one', name, listedName: name, definition: { name, inputSchema: { type: 'object' }, future: [1] }, digest: 'sha256:0', pinned: true, validate: () => undefined, ...more };
}

function deps(tools: readonly Tool[], isVisible: (tool: string) => boolean = () => true, staleUpstreams: string[] = []): ListToolsDeps {
	return {
		capabilities: { list: (upstream) => ({ tools: tools.filter((each) => upstream === undefined || each.upstream === upstream), staleUpstreams }) },
		policy: {
			judge: () => ({
				revision: 'r',
				patterns: {},
				list: (input: JsonObject) => isVisible(input['tool'] as string),
				call: () => t.fail('a list decides nothing else') as never,
				result: () => t.fail('a list decides nothing else') as never,
			}),
		},
		input: { list: (_caller, { name }) => ({ tool: name }) },
	};
}

const names = (result: JsonObject): unknown[] => (result['tools'] as JsonObject[]).map(({ name }) => name);

t.test('lists what the policy grants and nothing that is held back, definitions untouched', async (t) => {
	const tools = [tool('a'), tool('hidden'), tool('b', { quarantine: 'its description changed' }), tool('c', { listedName: 'one__c' }), tool('d', { upstream: 'two' })];
	const result = listTools(caller, {}, undefined, deps(tools, (name) => name !== 'hidden'));
	t.strictSame(names(result), ['a', 'one__c', 'd']);
	t.equal((result['tools'] as JsonObject[])[0], tools[0]?.definition, 'the very definition');
	t.strictSame((result['tools'] as JsonObject[])[1], { ...tools[3]?.definition, name: 'one__c' });
	t.notOk('_meta' in result || 'nextCursor' in result);
	t.strictSame(names(listTools(caller, {}, 'two', deps(tools))), ['d'], 'one upstream only');
});

t.test('says which lists are older because their upstream is down', async (t) => {
	t.strictSame(listTools(caller, {}, undefined, deps([tool('a')], () => true, ['one']))['_meta'], { 'dev.toolgate/cached': { upstreams: ['one'] } });
});

t.test('pages come one after the other without a repeat or a gap; a cursor of another list is refused', async (t) => {
	const tools = Array.from({ length: 2500 }, (_, i) => tool(`tool ${i}`));
	const isVisible = (name: string) => !name.endsWith('7');
	const seen: unknown[] = [];
	let cursor: string | undefined;
	let pages = 0;
	do {
		const result = listTools(caller, cursor === undefined ? {} : { cursor }, undefined, deps(tools, isVisible));
		seen.push(...names(result));
		cursor = result['nextCursor'] as string | undefined;
		pages++;
	} while (cursor !== undefined);
	t.equal(pages, 3);
	t.strictSame(seen, tools.map(({ name }) => name).filter(isVisible));
	const thousand = deps(tools.slice(0, 1000));
	t.notOk('nextCursor' in listTools(caller, {}, undefined, thousand), 'no empty last page');
	for (const bad of ['', 'x', 7, null, Buffer.from('nobody').toString('base64url')]) {
		t.throws(() => listTools(caller, { cursor: bad as never }, undefined, deps(tools)), { code: 'INVALID_PARAMS' });
	}
});

t.test('a policy that can not decide lists nothing', async (t) => {
	const failing = deps([tool('a'), tool('b')], (name) => {
		if (name === 'b') throw new PolicyError('out of fuel');
		return true;
	});
	t.throws(() => listTools(caller, {}, undefined, failing), PolicyError);
	const down: ListToolsDeps = {
		...failing,
		capabilities: {
			list: () => {
				throw new ToolGateError('UPSTREAM_UNAVAILABLE', 'one is down');
			},
		},
	};
	t.throws(() => listTools(caller, {}, undefined, down), { code: 'UPSTREAM_UNAVAILABLE' });
});

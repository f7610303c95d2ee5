import t from 'tap';
import type { Caller, Item, JsonObject, Tool } from './domain.ts';
import { PolicyError, ToolGateError } from './errors.ts';
import { listOffered, type ListOfferedDeps } from './list-offered.ts';

const caller: Caller = {
	principal: { id: 'alice@example.com', kind: 'user', groups: ['support'], claims: {} },
	agent: { id: 'local' },
	session: { era: 'legacy', id: 's' },
};

function tool(name: string, more: Partial<Tool> = {}): Tool {
	return {
		upstream: 'one',
		name,
		listedName: name,
		definition: { name, inputSchema: { type: 'object' }, future: [1] },
		digest: 'sha256:0',
		pinned: true,
		validate: () => undefined,
		...more,
	};
}

function deps(tools: readonly Tool[], isVisible: (tool: string) => boolean = () => true, staleUpstreams: string[] = []): ListOfferedDeps {
	return {
		capabilities: {
			list: (_method, upstream) => ({
				offered: tools.filter((each) => upstream === undefined || each.upstream === upstream),
				staleUpstreams,
			}),
		},
		policy: {
			judge: () => ({
				revision: 'r',
				patterns: {},
				mayJudgeResults: false,
				list: () => t.fail('lists are decided together') as never,
				lister: () => (own: JsonObject) => isVisible(own['tool'] as string),
				call: () => t.fail('a list decides nothing else') as never,
				result: () => t.fail('a list decides nothing else') as never,
			}),
		},
		input: { shared: () => ({}), own: ({ name }) => ({ tool: name }) },
	};
}

const names = (result: JsonObject): unknown[] => (result['tools'] as JsonObject[]).map(({ name }) => name);

t.test('lists what the policy grants and nothing that is held back, definitions untouched', async (t) => {
	const tools = [
		tool('a'),
		tool('hidden'),
		tool('b', { quarantine: 'its description changed' }),
		tool('c', { listedName: 'one__c' }),
		tool('d', { upstream: 'two' }),
	];
	const result = listOffered(
		'tools/list',
		caller,
		{},
		undefined,
		deps(tools, (name) => name !== 'hidden'),
	);
	t.strictSame(names(result), ['a', 'one__c', 'd']);
	t.equal((result['tools'] as JsonObject[])[0], tools[0]?.definition, 'the very definition');
	t.strictSame((result['tools'] as JsonObject[])[1], { ...tools[3]?.definition, name: 'one__c' });
	t.notOk('_meta' in result || 'nextCursor' in result);
	t.strictSame(names(listOffered('tools/list', caller, {}, 'two', deps(tools))), ['d'], 'one upstream only');
});

t.test('resources, templates and prompts are listed in the same way, each under the name that agents use', async (t) => {
	const item = (kind: Item['kind'], key: string): Item => ({
		upstream: 'one',
		kind,
		name: 'own',
		listedName: 'listed',
		definition: { [key]: 'own', title: 'T' },
		digest: 'sha256:0',
		pinned: false,
	});
	for (const [method, kind, member, key] of [
		['resources/list', 'resource', 'resources', 'uri'],
		['resources/templates/list', 'resourceTemplate', 'resourceTemplates', 'uriTemplate'],
		['prompts/list', 'prompt', 'prompts', 'name'],
	] as const) {
		const of = {
			...deps([]),
			capabilities: { list: (asked: string) => ({ offered: asked === method ? [item(kind, key)] : [], staleUpstreams: [] }) },
		};
		t.strictSame(listOffered(method, caller, {}, undefined, of), { [member]: [{ [key]: 'listed', title: 'T' }] });
	}
});

t.test('says which lists are older because their upstream is down', async (t) => {
	t.strictSame(
		listOffered(
			'tools/list',
			caller,
			{},
			undefined,
			deps([tool('a')], () => true, ['one']),
		)['_meta'],
		{ 'dev.toolgate/cached': { upstreams: ['one'] } },
	);
});

t.test('pages come one after the other without a repeat or a gap; a cursor of another list is refused', async (t) => {
	const tools = Array.from({ length: 2500 }, (_, i) => tool(`tool ${i}`));
	const isVisible = (name: string) => !name.endsWith('7');
	const seen: unknown[] = [];
	let cursor: string | undefined;
	let pages = 0;
	do {
		const result = listOffered('tools/list', caller, cursor === undefined ? {} : { cursor }, undefined, deps(tools, isVisible));
		seen.push(...names(result));
		cursor = result['nextCursor'] as string | undefined;
		pages++;
	} while (cursor !== undefined);
	t.equal(pages, 3);
	t.strictSame(seen, tools.map(({ name }) => name).filter(isVisible));
	const thousand = deps(tools.slice(0, 1000));
	t.notOk('nextCursor' in listOffered('tools/list', caller, {}, undefined, thousand), 'no empty last page');
	for (const bad of ['', 'x', 7, null, Buffer.from('nobody').toString('base64url')]) {
		t.throws(() => listOffered('tools/list', caller, { cursor: bad as never }, undefined, deps(tools)), { code: 'INVALID_PARAMS' });
	}
	const hidden = Buffer.from('tool 7').toString('base64url');
	t.throws(
		() => listOffered('tools/list', caller, { cursor: hidden }, undefined, deps(tools, isVisible)),
		{ code: 'INVALID_PARAMS' },
		'a cursor does not tell that a hidden tool exists',
	);
});

t.test('a policy that can not decide lists nothing', async (t) => {
	const failing = deps([tool('a'), tool('b')], (name) => {
		if (name === 'b') throw new PolicyError('out of fuel');
		return true;
	});
	t.throws(() => listOffered('tools/list', caller, {}, undefined, failing), PolicyError);
	const down: ListOfferedDeps = {
		...failing,
		capabilities: {
			list: () => {
				throw new ToolGateError('UPSTREAM_UNAVAILABLE', 'one is down');
			},
		},
	};
	t.throws(() => listOffered('tools/list', caller, {}, undefined, down), { code: 'UPSTREAM_UNAVAILABLE' });
});

import t, { type Test } from 'tap';
import { everythingOverHttp } from '../../test/npm-servers.ts';
import { eachStore, embedded } from '../../test/stores.ts';
import { until } from '../../test/until.ts';
import { digestOf } from '../canonical-json.ts';
import type { JsonObject } from '../domain.ts';
import type { Sql } from '../store/sql.ts';
import { Upstreams } from '../upstreams/upstreams.ts';
import { Capabilities, type CapabilitySource, type ListKind } from './capabilities.ts';
import { Naming } from './naming.ts';

/** An upstream whose lists are whatever the test says, one item per page. */
class Fake implements CapabilitySource {
	readonly name: string;
	capabilities: JsonObject = { tools: {}, resources: {}, prompts: {} };
	lists: Record<string, JsonObject[] | Error> = { tools: [], resources: [], resourceTemplates: [], prompts: [] };
	constructor(name: string, lists: Fake['lists'] = {}) {
		this.name = name;
		Object.assign(this.lists, lists);
	}
	async initializeResult(): Promise<JsonObject> {
		return { protocolVersion: '2025-11-25', capabilities: this.capabilities, serverInfo: { name: this.name, version: '1' } };
	}
	async request(method: string, { cursor }: JsonObject): Promise<JsonObject> {
		const member = method === 'resources/templates/list' ? 'resourceTemplates' : method.split('/')[0]!;
		const list = this.lists[member]!;
		if (list instanceof Error) throw list;
		const at = Number(cursor ?? 0);
		return { [member]: list.slice(at, at + 1), ...(at + 1 < list.length ? { nextCursor: String(at + 1) } : {}) };
	}
}

const SETTINGS = { refreshSeconds: 3_600, pins: 'first-sight' } as const;

async function offering(t: Test, sql: Sql, ...sources: CapabilitySource[]): Promise<Capabilities> {
	const settings = Object.fromEntries(sources.map(({ name }) => [name, SETTINGS]));
	const capabilities = new Capabilities({ sources, settings, sql, quietMs: 0 });
	t.teardown(() => capabilities.close());
	await capabilities.start();
	await Promise.all(sources.map(({ name }) => capabilities.refresh(name)));
	return capabilities;
}

const listed = (items: readonly { listedName: string }[]) => items.map(({ listedName }) => listedName);
const file = (name: string, more: JsonObject = {}): JsonObject => ({ uri: `file:///${name}`, name, ...more });

await eachStore(t, async (t, database) => {
	const sql = await database.open();

	await t.test('resources, templates and prompts are read to the last page, and outlive the upstream and the gateway', async (t) => {
		const docs = new Fake('docs', {
			resources: [file('a', { size: 1 }), file('b'), file('c')],
			resourceTemplates: [{ uriTemplate: 'file:///{path}', name: 'any' }],
			prompts: [{ name: 'sum', arguments: [{ name: 'x' }] }],
		});
		const first = await offering(t, sql, docs);
		t.strictSame(listed(first.resources()), ['file:///a', 'file:///b', 'file:///c']);
		t.match(first.status(), [{ state: 'up', itemCount: 5 }]);
		await first.close();
		docs.initializeResult = async () => {
			throw new Error('connection refused');
		};
		const again = await offering(t, sql, docs);
		t.match(again.status(), [{ state: 'cached', itemCount: 5 }]);
		t.strictSame(again.findResource('file:///a')?.definition, file('a', { size: 1 }));
		t.strictSame(listed(again.resourceTemplates()), ['file:///{path}']);
		t.match(again.findPrompt('sum'), {
			kind: 'prompt',
			upstream: 'docs',
			pinned: false,
			digest: digestOf({ name: 'sum', arguments: [{ name: 'x' }] }),
		});
		t.equal(again.findPrompt('toString'), undefined);
		await again.close();
	});

	await t.test('a list that can not be read stays as it was, and leaves the others good', async (t) => {
		const docs = new Fake('partly', { resources: [file('a')], prompts: [{ name: 'sum' }] });
		const capabilities = await offering(t, sql, docs);
		docs.lists = {
			...docs.lists,
			resources: new Error('resources/list failed: boom'),
			prompts: [{ name: 'sum' }, { name: 'more' }],
			tools: [{ name: 'new', inputSchema: { type: 'object' } }],
		};
		await capabilities.refresh('partly');
		t.match(capabilities.status(), [{ why: 'resources/list failed: boom', toolCount: 1 }]);
		t.strictSame([listed(capabilities.resources()), listed(capabilities.prompts())], [['file:///a'], ['sum', 'more']]);
		for (const [lists, why] of [
			[{ resources: [{ uri: 4 }] }, /resources\/list: item 0 is not a resource with a uri/],
			[{ resources: [], prompts: [{ title: 'x' }] }, /prompts\/list: item 0 is not a prompt with a name/],
			[{ resources: [], prompts: [], resourceTemplates: [{ uriTemplate: 'a\0' }] }, /item 0 is not a template with a uriTemplate/],
		] as const) {
			Object.assign(docs.lists, lists);
			await capabilities.refresh('partly');
			t.match(capabilities.status()[0]?.why, why);
		}
		docs.lists['resourceTemplates'] = Object.assign(new Error('Method not found'), { code: -32601 });
		await capabilities.refresh('partly');
		t.match(capabilities.status(), [{ state: 'up' }], 'a question that a server does not know is an empty list');
		await capabilities.close();
	});
});

t.test('one store', async (t) => {
	const sql = await embedded(t).open();

	await t.test('with several upstreams names and URIs tell whose they are, and lead back', async (t) => {
		const [a, b] = [
			new Fake('a', { resources: [file('x')], prompts: [{ name: 'sum' }] }),
			new Fake('b', { resources: [file('x')], prompts: [{ name: 'sum' }] }),
		];
		const capabilities = await offering(t, sql, a, b);
		t.strictSame(listed(capabilities.resources()), ['toolgate+a:file:///x', 'toolgate+b:file:///x']);
		t.strictSame(listed(capabilities.prompts()), ['a__sum', 'b__sum']);
		t.match(capabilities.findPrompt('b__sum'), { upstream: 'b', name: 'sum' });
		t.equal(capabilities.findPrompt('sum'), undefined);
		t.match(capabilities.findResource('toolgate+b:file:///x'), { upstream: 'b', name: 'file:///x', definition: file('x') });
		t.equal(capabilities.findResource('toolgate+b:file:///not-listed'), undefined);
		capabilities.resourceNamed('b', 'file:///not-listed');
		t.match(capabilities.findResource('toolgate+b:file:///not-listed'), { definition: { uri: 'file:///not-listed' } }, 'a result named it');
		t.equal(capabilities.findResource('toolgate+a:file:///not-listed'), undefined);
		b.capabilities = { tools: {} };
		await capabilities.refresh('b');
		for (const uri of ['file:///x', 'toolgate+c:file:///x', 'TOOLGATE+a:file:///x', 'toolgate+b:file:///x'])
			t.equal(capabilities.findResource(uri), undefined, uri);

		const naming = new Naming(['a', 'b-2']);
		t.strictSame(naming.unwrapUri(naming.wrapUri('b-2', 'odd:\nuri')), { upstream: 'b-2', uri: 'odd:\nuri' });
		t.strictSame(new Naming(['a']).unwrapUri('toolgate+b:x'), { upstream: 'a', uri: 'toolgate+b:x' });
		t.equal(new Naming([]).unwrapUri('x'), undefined);
	});

	await t.test('a resource that is not listed is what a template of its upstream says of it, and unknown where none fits', async (t) => {
		const template = { uriTemplate: 'note://{id}', name: 'Note', mimeType: 'text/plain' };
		const [a, b] = [
			new Fake('a', {
				resources: [{ uri: 'note://listed', name: 'listed' }],
				resourceTemplates: [template, { uriTemplate: 'file:///{+path}' }],
			}),
			new Fake('b', { resourceTemplates: [{ uriTemplate: 'note://{id}/zero\u200bwidth', name: 'x' }] }),
		];
		const capabilities = await offering(t, sql, a, b);
		const find = (uri: string) => capabilities.findResource(uri)?.definition;
		t.strictSame(find('toolgate+a:note://listed'), { uri: 'note://listed', name: 'listed' }, 'what is listed is what the list says');
		t.strictSame(find('toolgate+a:note://7'), { uri: 'note://7', name: 'Note', mimeType: 'text/plain' });
		t.strictSame(find('toolgate+a:file:///a/b'), { uri: 'file:///a/b' });
		for (const uri of ['note://7', 'toolgate+a:note://7/8', 'toolgate+b:note://7', 'toolgate+c:note://7', 'toolgate+a:other://7'])
			t.equal(find(uri), undefined, uri);
		t.match(
			capabilities.findResource('toolgate+b:note://7/zero\u200bwidth')?.quarantine,
			/hides characters/,
			'what is of a template that is held is held',
		);
		a.lists['resourceTemplates'] = [];
		await capabilities.refresh('a');
		t.equal(find('toolgate+a:note://7'), undefined, 'a template that goes takes its resources along');
	});

	await t.test('what hides characters is held; what is listed twice counts once', async (t) => {
		const docs = new Fake('hiding', {
			resources: [file('a'), file('a', { title: 'second' })],
			prompts: [{ name: 'bad', description: 'zero\u200bwidth' }, { name: 'good' }],
		});
		const capabilities = await offering(t, sql, docs);
		t.strictSame(
			capabilities.prompts().map(({ quarantine }) => quarantine),
			['its definition hides characters from the eye', undefined],
		);
		t.strictSame(
			capabilities.resources().map(({ definition }) => definition),
			[file('a')],
		);
	});

	await t.test('upstreams come, go and change without the others noticing', async (t) => {
		const tool = { name: 'pay', inputSchema: { type: 'object' } };
		const [a, b] = [new Fake('stays', { tools: [tool], prompts: [{ name: 'p' }] }), new Fake('comes', { tools: [tool] })];
		const capabilities = await offering(t, sql, a);
		t.ok(capabilities.find('pay'));
		const told: ListKind[][] = [];
		capabilities.onListChanged((changed) => told.push([...changed].sort()));
		const settings = { stays: SETTINGS, comes: SETTINGS };
		await capabilities.configure([a, b], settings);
		await capabilities.refresh('comes');
		t.strictSame(
			capabilities.tools().map(({ listedName }) => listedName),
			['stays__pay', 'comes__pay'],
		);
		t.strictSame(listed(capabilities.prompts()), ['stays__p']);
		const moved = new Fake('stays', { tools: [tool, { ...tool, name: 'more' }] });
		moved.request = async () => {
			throw new Error('connection refused');
		};
		await capabilities.configure([moved, b], settings);
		await capabilities.refresh('stays');
		t.ok(capabilities.find('stays__pay'), 'one that is reached in another way keeps what is known of it');
		await t.rejects(capabilities.configure([new Fake('b__c'), b], { b__c: SETTINGS, comes: SETTINGS }), { code: 'CONFIG' });
		await capabilities.configure([b], settings);
		await capabilities.refresh('comes');
		t.strictSame(
			capabilities.tools().map(({ listedName }) => listedName),
			['pay'],
		);
		t.equal(capabilities.find('pay')?.upstream, 'comes');
		t.ok(told.length > 0 && told.every((changed) => changed.includes('tools')));
	});

	await t.test('an upstream that is about to start is seen soon after, and not with the next look at all', async (t) => {
		const late = new Fake('late', { prompts: [{ name: 'p' }] });
		const answer = late.initializeResult.bind(late);
		let looks = 0;
		late.initializeResult = async () => {
			if (++looks < 4) throw new Error('connection refused');
			return answer();
		};
		const beganMs = performance.now();
		const capabilities = await offering(t, sql, late);
		t.match(capabilities.status(), [{ state: 'down', why: 'connection refused' }]);
		await until('a good look', () => capabilities.findPrompt('p') !== undefined);
		t.equal(looks, 4);
		t.ok(performance.now() - beganMs < 10_000, 'three times five seconds it would be without hurry');
	});

	await t.test('a real server: everything it offers', async (t) => {
		const server = await everythingOverHttp(t);
		const upstreams = new Upstreams(
			{ everything: { url: server.url, headers: {}, timeoutMs: 5_000 } },
			{ maxResultBytes: 1_000_000, version: '0', onStale: () => {} },
		);
		t.teardown(() => upstreams.close(0));
		const capabilities = await offering(t, sql, ...upstreams.all);
		t.match(capabilities.status(), [{ state: 'up' }]);
		t.match(capabilities.upstreamCapabilities('everything'), { completions: {}, logging: {}, resources: { subscribe: true } });
		t.ok(capabilities.findPrompt('completable-prompt'));
		t.match(listed(capabilities.resourceTemplates()), [
			'demo://resource/dynamic/text/{resourceId}',
			'demo://resource/dynamic/blob/{resourceId}',
		]);
		const [resource] = capabilities.resources();
		t.match(capabilities.findResource(resource!.listedName), { kind: 'resource', name: resource!.name });
	});
});

import { completable } from '@modelcontextprotocol/sdk/server/completable.js';
import { McpServer, ResourceTemplate } from '@modelcontextprotocol/sdk/server/mcp.js';
import t, { type Test } from 'tap';
import { z } from 'zod';
import type { JsonObject } from '../src/domain.ts';
import { openAgent, post } from './agent.ts';
import { build, type Built } from './build.ts';
import { rulesBundle } from './rules-bundle.ts';
import { type SdkMcpServer, sdkMcpServer } from './sdk-mcp-server.ts';

const bundle = rulesBundle(
	t,
	`
access contains "notes" if input.resource.name == "Note"

access contains "everything else" if not input.resource

access contains "files" if startswith(input.resource.uri, "file:///open/")

access contains "links" if startswith(input.resource.uri, "link://")

finding contains {"rule": "test.thirteen", "verdict": "deny", "message": "unlucky"} if endswith(input.resource.uri, "/13")
`,
);

/** Resources of which none is listed. */
function makeServer(): McpServer {
	const server = new McpServer({ name: 'notes', version: '1' });
	const readsAs = (text: string) => async (uri: URL) => ({ contents: [{ uri: uri.href, text }] });
	const complete = { id: (value: string) => ['12', '13'].filter((id) => id.startsWith(value)) };
	server.registerResource('Note', new ResourceTemplate('note://all/{id}', { list: undefined, complete }), {}, readsAs('a note'));
	server.registerResource('File', new ResourceTemplate('file:///{+path}', { list: undefined }), {}, readsAs('a file'));
	server.registerPrompt('p', { argsSchema: { id: completable(z.string(), () => ['x']) } }, () => ({ messages: [] }));
	server.registerTool('link', {}, async () => ({ content: [{ type: 'resource_link', uri: 'link://made/1', name: 'made' }] }));
	// What tools link to need be neither listed nor of a template.
	const { server: low } = server;
	const handlers = (low as unknown as { _requestHandlers: Map<string, (request: { params: { uri: string } }) => Promise<object>> })
		._requestHandlers;
	const read = handlers.get('resources/read')!;
	handlers.set('resources/read', async (request) =>
		request.params.uri.startsWith('link://') ? { contents: [{ uri: request.params.uri, text: 'linked' }] } : read(request),
	);
	return server;
}

async function before(t: Test, names: readonly string[]): Promise<{ built: Built; servers: SdkMcpServer[] }> {
	const servers = await Promise.all(names.map(() => sdkMcpServer(t, makeServer)));
	const upstreams = Object.fromEntries(names.map((name, index) => [name, { url: servers[index]!.url }]));
	return { built: await build(t, { upstreams, config: { policy: { bundle: await bundle } } }), servers };
}

/** One request of an agent of each era. */
const ERAS = {
	legacy: async ({ mcpUrl }: Built) => (await openAgent(mcpUrl)).request,
	modern:
		async ({ mcpUrl }: Built) =>
		async (method: string, params: JsonObject): Promise<JsonObject> => {
			const _meta = { 'io.modelcontextprotocol/protocolVersion': '2026-07-28', 'io.modelcontextprotocol/clientCapabilities': {} };
			const name = params['uri'] ?? params['name'];
			const headers = {
				'mcp-protocol-version': '2026-07-28',
				'mcp-method': method,
				...(typeof name === 'string' ? { 'mcp-name': name } : {}),
			};
			return JSON.parse((await post(mcpUrl, { jsonrpc: '2.0', id: 1, method, params: { ...params, _meta } }, headers)).text);
		},
};

for (const [era, open] of Object.entries(ERAS)) {
	for (const names of [['notes'], ['one', 'two']]) {
		const [wrap, prefix] = names.length === 1 ? ['', ''] : ['toolgate+two:', 'two__'];
		t.test(
			`${era}, ${names.length} upstream(s): what a template describes is decided and read, and what none fits is unknown`,
			async (t) => {
				const { built, servers } = await before(t, names);
				const request = await open(built);
				const read = async (uri: string) => request('resources/read', { uri: `${wrap}${uri}` });
				const unknown = { error: { code: era === 'legacy' ? -32002 : -32602, message: /Resource not found/ } };
				t.match(await read('note://all/12'), { result: { contents: [{ uri: `${wrap}note://all/12`, text: 'a note' }] } });
				t.match(await read('file:///open/a/b'), { result: { contents: [{ text: 'a file' }] } });
				t.match(await read('note://all/13'), { error: { code: 1403, data: { rule: 'test.thirteen' } } });
				t.match(await read('file:///shut/a'), unknown, 'a template grants nothing');
				t.match(await read('note://all/12/13'), unknown);
				t.match(await read('link://made/1'), unknown);
				t.match(await request('tools/call', { name: `${prefix}link`, arguments: {} }), {
					result: { content: [{ uri: `${wrap}link://made/1` }] },
				});
				t.match(await read('link://made/1'), { result: { contents: [{ text: 'linked' }] } }, 'a result has named it');
				t.match(await read('link://made/2'), unknown);
				const complete = async (uri: string) =>
					request('completion/complete', { ref: { type: 'ref/resource', uri: `${wrap}${uri}` }, argument: { name: 'id', value: '1' } });
				t.match(await complete('note://all/{id}'), { result: { completion: { values: ['12', '13'] } } });
				t.match(await complete('note://all/{other}/x'), unknown);
				t.strictSame(
					servers
						.at(-1)!
						.requests.flatMap(({ body }) => (body.includes('"resources/read"') ? [(JSON.parse(body) as JsonObject)['params']] : []))
						.map((params) => (params as JsonObject)['uri']),
					['note://all/12', 'file:///open/a/b', 'link://made/1'],
					'the upstream hears of what was granted, by its own URIs',
				);
				t.match(
					(await built.events()).find(({ kind }) => kind === 'intent'),
					{ server: names.at(-1), tool: 'resources/read note://all/12', input: { resource: { uri: 'note://all/12', name: 'Note' } } },
				);
			},
		);
	}
}

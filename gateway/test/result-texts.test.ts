import { Client as ClientV2, StreamableHTTPClientTransport as TransportV2 } from '@modelcontextprotocol/client';
import { Client as ClientV1 } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport as TransportV1 } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { McpServer as ServerV1 } from '@modelcontextprotocol/sdk/server/mcp.js';
import { McpServer as ServerV2 } from '@modelcontextprotocol/server';
import t, { type Test } from 'tap';
import { z } from 'zod';
import { build } from './build.ts';
import { modernMcpServer } from './modern-mcp-server.ts';
import { ALLOW_ALL, rulesBundle } from './rules-bundle.ts';
import { sdkMcpServer } from './sdk-mcp-server.ts';
import { until } from './until.ts';

/** What the tool says in a log message, beside its progress, and in its result. */
const SECRET = '078-05-1120';
const SAYS = { level: 'warning', data: `looking at ${SECRET}` } as const;

const JUDGED: Readonly<Record<string, string>> = {
	'a rule that sees the result': `
result_finding contains {
	"rule": "test.numbers",
	"verdict": "allow",
	"message": "numbers are masked",
	"redact": [{"target": "result", "path": "/**", "match": "us-ssn", "mode": "mask"}],
} if {
	contains(input.result.content[_].text, "-")
}`,
	'a redaction of the result that the call demands': `
finding contains {
	"rule": "test.numbers",
	"verdict": "allow",
	"message": "numbers are masked",
	"redact": [{"target": "result", "path": "/**", "match": "us-ssn", "mode": "mask"}],
}`,
};

interface Tool {
	notify(message: { method: string; params: Record<string, unknown> }): Promise<void>;
	readonly token: string | number;
}

/** Says it all, and is twice as far as before each time. */
async function look({ notify, token }: Tool) {
	await notify({ method: 'notifications/progress', params: { progressToken: token, progress: 1, total: 2, message: SECRET } });
	await notify({ method: 'notifications/message', params: SAYS });
	await notify({ method: 'notifications/progress', params: { progressToken: token, progress: 2, total: 2, message: SECRET } });
	return { content: [{ type: 'text' as const, text: `found ${SECRET}` }] };
}

/** A server of each era, and an agent that keeps every message it gets, as text. */
const ERAS = {
	async legacy(t: Test, rules: string) {
		const server = await sdkMcpServer(t, () => {
			const made = new ServerV1({ name: 'legacy', version: '1' }, { capabilities: { logging: {} } });
			made.registerTool('look', { inputSchema: {} }, async (_args, { sendNotification, _meta }) =>
				look({ notify: sendNotification as never, token: _meta!.progressToken! }),
			);
			return made;
		});
		const built = await build(t, { upstreams: { one: { url: server.url } }, config: { policy: { bundle: await rulesBundle(t, rules) } } });
		const client = new ClientV1({ name: 'v1', version: '1' });
		const transport = new TransportV1(new URL(built.mcpUrl));
		await client.connect(transport as never);
		t.teardown(() => client.close());
		await client.setLoggingLevel('debug');
		await until('the stream of the upstream', () => server.requests.some(({ httpMethod }) => httpMethod === 'GET'));
		const heard = recorded(transport as never);
		return {
			heard,
			call: (onprogress: (at: object) => void) => client.callTool({ name: 'look', arguments: {} }, undefined, { onprogress }),
			/** Says something that belongs to no call. */
			sayOutside: async () => {
				for (const { server: each } of server.sessions.values()) await each.sendLoggingMessage(SAYS);
			},
		};
	},
	async modern(t: Test, rules: string) {
		const server = await modernMcpServer(t, () => {
			const made = new ServerV2({ name: 'modern', version: '1' }, { capabilities: { logging: {} } });
			made.registerTool('look', { inputSchema: z.object({}) }, async (_args, { mcpReq }) =>
				look({ notify: mcpReq.notify as never, token: mcpReq._meta!.progressToken! }),
			);
			return made;
		});
		const built = await build(t, { upstreams: { one: { url: server.url } }, config: { policy: { bundle: await rulesBundle(t, rules) } } });
		const client = new ClientV2({ name: 'v2', version: '1' }, { versionNegotiation: { mode: 'auto' } });
		const transport = new TransportV2(new URL(built.mcpUrl));
		await client.connect(transport);
		t.teardown(() => client.close());
		const heard = recorded(transport);
		return {
			heard,
			call: (onprogress: (at: object) => void) =>
				client.callTool(
					{ name: 'look', arguments: {}, _meta: { 'io.modelcontextprotocol/logLevel': 'debug' } },
					{ onprogress: onprogress as never },
				),
			sayOutside: undefined,
		};
	},
};

function recorded(transport: { onmessage?: ((message: never, extra?: never) => void) | undefined }): string[] {
	const heard: string[] = [];
	const { onmessage } = transport;
	transport.onmessage = (message: never, extra?: never) => {
		heard.push(JSON.stringify(message));
		onmessage?.(message, extra);
	};
	return heard;
}

for (const [era, open] of Object.entries(ERAS)) {
	for (const [what, rules] of Object.entries(JUDGED)) {
		t.test(`${era}: with ${what}, nothing that is said before it carries text, and progress is still told`, async (t) => {
			const { heard, call, sayOutside } = await open(t, `${ALLOW_ALL}\n${rules}`);
			const progress: object[] = [];
			t.match(await call((at) => progress.push(at)), { content: [{ text: 'found [us-ssn masked]' }] });
			t.strictSame(progress, [
				{ progress: 1, total: 2 },
				{ progress: 2, total: 2 },
			]);
			await sayOutside?.();
			await call(() => {});
			t.notMatch(heard.join('\n'), new RegExp(SECRET));
			t.notMatch(heard.join('\n'), /notifications\/message/);
		});
	}

	t.test(`${era}: without result rules, everything that is said of a call reaches its agent`, async (t) => {
		const { heard, call, sayOutside } = await open(t, ALLOW_ALL);
		const progress: object[] = [];
		t.match(await call((at) => progress.push(at)), { content: [{ text: `found ${SECRET}` }] });
		t.match(progress, [{ message: SECRET }, { message: SECRET }]);
		t.equal(heard.filter((message) => message.includes('notifications/message')).length, 1);
		if (sayOutside === undefined) return;
		await until('what is said outside of calls', async () => {
			await sayOutside();
			return heard.filter((message) => message.includes('notifications/message')).length > 1;
		});
	});
}

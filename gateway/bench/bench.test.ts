import { spawnSync } from 'node:child_process';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import t from 'tap';
import { type BenchAgent, echoAgent, mcpAgent } from './agents.ts';
import { measure } from './main/section.ts';
import { table } from './table.ts';

t.test('the quick form measures the references, and every call is answered', async (t) => {
	const { figures, rows } = await measure({ isQuick: true, only: ['echo'], say: () => {} });
	t.strictSame(Object.keys(figures), ['upstream', 'echo', 'floor']);
	for (const [name, { calls, cpuUs, floors, callsPerSecond, singleP50Ms, rssMiB }] of Object.entries(figures)) {
		t.ok(calls > 0, `${name} was called`);
		t.ok(
			[cpuUs, floors, callsPerSecond, singleP50Ms, rssMiB].every((figure) => Number.isFinite(figure) && figure >= 0),
			`the figures of ${name} are numbers`,
		);
	}
	t.equal(figures['floor']?.floors, 1);
	const lines = table(rows).split('\n');
	t.match(lines[0], /^name +CPU µs\/call +× floor/);
	t.match(lines[3], /^floor +\d+\.\d +1\.00/);
});

t.test('an answer that is not the one to the call stops the bench', async (t) => {
	let answer = (body: string): string => body;
	const server = createServer((request, response) => {
		const chunks: Buffer[] = [];
		request.on('data', (chunk: Buffer) => chunks.push(chunk));
		request.on('end', () => {
			const body = answer(Buffer.concat(chunks).toString());
			response.writeHead(body === '' ? 202 : 200, { 'mcp-session-id': 's', 'content-length': Buffer.byteLength(body) }).end(body);
		});
	});
	await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
	t.teardown(() => server.close());
	const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/mcp`;
	const agents: BenchAgent[] = [];
	t.teardown(() => agents.forEach((agent) => agent.close()));

	/** Answers as an echo tool does, but for what is given. */
	const toolAnswer = (change: { id?: number; text?: string; isError?: boolean }) => (body: string) => {
		const { id, params } = JSON.parse(body) as { id?: number; params?: { arguments?: object } };
		if (id === undefined) return '';
		const { isError, text = JSON.stringify(params?.arguments) } = change;
		return JSON.stringify({ jsonrpc: '2.0', id: change.id ?? id, result: { content: [{ type: 'text', text }], isError } });
	};
	answer = toolAnswer({});
	const agent = await mcpAgent(url, 'echo', 1);
	agents.push(agent);
	await agent.call();
	for (const change of [{ id: 99 }, { text: '{}' }, { isError: true }]) {
		answer = toolAnswer(change);
		await t.rejects(agent.call(), /^call \d of agent 1 was answered 200/, JSON.stringify(change));
	}
	const echo = await echoAgent(url, 2);
	agents.push(echo);
	answer = (body) => `${body} `;
	await t.rejects(echo.call(), /call 1 of agent 2 was answered 200/);
});

t.test('a section that does not exist is named, beside those that do', async (t) => {
	const { status, stderr } = spawnSync(process.execPath, [join(import.meta.dirname, 'run.ts'), 'nothing'], { encoding: 'utf8' });
	t.equal(status, 2);
	t.match(stderr, /^bench: there is no section nothing\nusage: .*\nsections: .*main/);
});

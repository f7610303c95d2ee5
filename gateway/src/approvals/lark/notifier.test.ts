import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import t, { type Test } from 'tap';
import type { ApprovalView } from '../approval.ts';
import { createLarkNotifier } from './notifier.ts';

const APPROVAL: ApprovalView = {
	id: 'a1',
	state: 'pending',
	principal: 'alice@example.com',
	agent: 'bot',
	server: 'stripe',
	tool: 'create_refund',
	arguments: { amount: 4200 },
	recordOnly: [],
	reasons: [{ rule: 'payments.refund', message: 'a refund moves money' }],
	requirements: [{ rule: 'payments.refund', approvers: ['group:finance'], quorum: 1, ttlSeconds: 900 }],
	votes: [],
	requestedAtMs: 0,
	expiresAtMs: 900_000,
	callId: 'c1',
	decisionId: 'd1',
	revision: 'r1',
	definitionDigest: 'sha256:x',
	argumentsDigest: 'hmac-sha256:x',
	sentDigest: 'hmac-sha256:y',
};

async function server(t: Test, listener: RequestListener): Promise<string> {
	const made = createServer(listener).listen(0, '127.0.0.1');
	await once(made, 'listening');
	t.teardown(() => {
		made.closeAllConnections();
		made.close();
	});
	return `http://127.0.0.1:${(made.address() as AddressInfo).port}`;
}

t.test('attack 8: a Lark that hangs, redirects or answers garbage is an error, and what was sent to it goes nowhere else', async (t) => {
	let visits = 0;
	const elsewhere = await server(t, (_request, response) => {
		visits += 1;
		response.setHeader('content-type', 'application/json').end('{"code":0,"data":{"message_id":"om_1"}}');
	});
	const token = JSON.stringify({ code: 0, tenant_access_token: 't-secret', expire: 7200 });
	const cases: [string, RequestListener][] = [
		['hangs', () => {}],
		['fails', (_, response) => response.writeHead(503).end()],
		['sends a page', (_, response) => response.setHeader('content-type', 'text/html').end('<p>hi')],
		[
			'sends half of an answer',
			(_, response) => void response.writeHead(200, { 'content-length': 100 }).write('{"code":0', () => response.destroy()),
		],
		...[301, 302, 307, 308].map((status): [string, RequestListener] => [
			`redirects with ${status}`,
			(_, response) => response.writeHead(status, { location: `${elsewhere}/open-apis/im/v1/messages` }).end(),
		]),
	];
	for (const [what, answer] of cases) {
		const apiBaseUrl = await server(t, (request, response) =>
			request.url?.includes('tenant_access_token')
				? response.setHeader('content-type', 'application/json').end(token)
				: answer(request, response),
		);
		const notifier = await createLarkNotifier({ appId: `cli_${what}`, appSecret: 'x', chatId: 'oc_1', apiBaseUrl, timeoutMs: 1_000 });
		await t.rejects(notifier.requested(APPROVAL), `${what}: a card`);
		await t.rejects(notifier.ended({ ...APPROVAL, state: 'expired' }, 'om_1'), `${what}: its end`);
	}
	t.equal(visits, 0);
});

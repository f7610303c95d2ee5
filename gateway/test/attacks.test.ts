import { createHash, generateKeyPairSync } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { SignJWT, UnsecuredJWT } from 'jose';
import t, { type Test } from 'tap';
import type { ApprovalView } from '../src/approvals/approval.ts';
import type { JsonObject } from '../src/domain.ts';
import { openAgent, post } from './agent.ts';
import { build, OPERATOR_TOKEN } from './build.ts';
import { payments } from './payments.ts';
import { event, json, rawMcpServer, stream } from './raw-mcp-server.ts';
import { rawRequest } from './raw-request.ts';
import { recorder } from './recorder.ts';
import { ALLOW_ALL, rulesBundle } from './rules-bundle.ts';
import { until } from './until.ts';

/** Attacks from outside the protocol on the whole gateway, as docs/security.md lists them. */

const CHARGE = { charge: 'ch_alice_1' };
const INITIALIZE = {
	jsonrpc: '2.0',
	id: 1,
	method: 'initialize',
	params: { protocolVersion: '2025-06-18', capabilities: {}, clientInfo: { name: 'x', version: '1' } },
};

/** Tokens that others would take, made to speak for alice. */
async function foreignTokens(): Promise<Record<string, string>> {
	const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
	const claims = { email: 'alice@example.com', principal: 'alice@example.com', groups: ['support'] };
	const jwt = (audience: string, expires: string) =>
		new SignJWT(claims).setSubject('alice@example.com').setIssuer('https://idp.example').setAudience(audience).setExpirationTime(expires);
	const publicPem = publicKey.export({ type: 'spki', format: 'pem' }) as string;
	return {
		'of another audience': await jwt('https://other.example', '1h').setProtectedHeader({ alg: 'RS256' }).sign(privateKey),
		expired: await jwt('toolgate', '-1h').setProtectedHeader({ alg: 'RS256' }).sign(privateKey),
		'alg none': new UnsecuredJWT(claims).setSubject('alice@example.com').encode(),
		'signed with a public key': await jwt('toolgate', '1h').setProtectedHeader({ alg: 'HS256' }).sign(Buffer.from(publicPem)),
	};
}

t.test('attack 5: no token but one that ToolGate gave out opens anything, and none is in a byte that is sent upstream', async (t) => {
	const upstream = await payments(t);
	const between = await recorder(t, upstream.url);
	const gateway = await build(t, { upstreams: { stripe: { url: between.url } }, config: { auth: { mode: 'token' } } });
	const { token } = (await gateway.api<{ token: string }>('POST', '/api/tokens', { principal: 'alice@example.com' })).json;
	const hash = createHash('sha256').update(token).digest();
	const wrong: Record<string, string> = {
		...(await foreignTokens()),
		'the token in capitals': token.toUpperCase(),
		'the token, and more': `${token}x`,
		'the token, cut': token.slice(0, -1),
		'what the database knows of it': hash.toString('hex'),
		'the same in base64': hash.toString('base64'),
		"the operator's": OPERATOR_TOKEN,
	};
	for (const [what, text] of Object.entries(wrong)) {
		const answer = await post(gateway.mcpUrl, INITIALIZE, { authorization: `Bearer ${text}` });
		t.equal(answer.status, 401, what);
		t.notOk(answer.text.includes(text), `${what}: the answer does not repeat it`);
	}
	const elsewhere: Record<string, string>[] = [
		{ authorization: token },
		{ authorization: `Basic ${Buffer.from(`alice@example.com:${token}`).toString('base64')}` },
		{ cookie: `token=${token}` },
		{ 'x-api-key': token },
	];
	for (const headers of elsewhere) t.equal((await post(gateway.mcpUrl, INITIALIZE, headers)).status, 401, Object.keys(headers).join());
	t.equal((await post(`${gateway.mcpUrl}?access_token=${token}`, INITIALIZE)).status, 401, 'in the address');
	for (const method of ['GET', 'DELETE'])
		t.equal((await fetch(gateway.mcpUrl, { method, headers: { authorization: `Bearer ${wrong['expired']}` } })).status, 401, method);

	const agent = await openAgent(gateway.mcpUrl, { authorization: `Bearer ${token}`, cookie: `token=${token}`, 'x-api-key': token });
	t.equal((await agent.call('get_charge', CHARGE)).word, 'ok');
	t.match(between.sent(), /tools\/call.*get_charge/, 'the recorder sees what goes up');
	for (const secret of [token, ...Object.values(wrong)]) t.notOk(between.sent().includes(secret));
	t.notMatch(between.sent(), /authorization|cookie|x-api-key/i);
});

t.test('attack 7: a page of another site reaches neither listener, by its name for this address or by a form', async (t) => {
	const gateway = await build(t);
	const operator = { authorization: `Bearer ${OPERATOR_TOKEN}` };
	const typed = { 'content-type': 'application/json' };
	const ping = JSON.stringify(INITIALIZE);
	const targets: [string, string, Record<string, string>, string | undefined][] = [
		[gateway.mcpUrl, 'POST', typed, ping],
		[gateway.mcpUrl, 'GET', {}, undefined],
		[`${gateway.peopleUrl}/api/audit`, 'GET', operator, undefined],
		[`${gateway.peopleUrl}/api/policy/reload`, 'POST', { ...operator, ...typed }, '{}'],
		[`${gateway.peopleUrl}/readyz`, 'GET', {}, undefined],
		[`${gateway.peopleUrl}/`, 'GET', {}, undefined],
	];
	for (const [url, method, headers, body] of targets) {
		const { host } = new URL(url);
		const wrongs: Record<string, string>[] = [
			{ host: 'evil.example' },
			{ host: `127.0.0.1.evil.example:${new URL(url).port}` },
			{ host, origin: 'https://evil.example' },
			{ host, origin: 'null' },
			{ host, origin: 'http://localhost.evil.example' },
		];
		for (const wrong of wrongs)
			t.equal((await rawRequest(url, method, { ...headers, ...wrong }, body)).status, 403, `${method} ${url} ${JSON.stringify(wrong)}`);
	}
	for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data; boundary=x', undefined]) {
		const headers: Record<string, string> = type === undefined ? {} : { 'content-type': type };
		t.equal((await rawRequest(gateway.mcpUrl, 'POST', headers, ping)).status, 415, `${type}: what a form can send`);
		const write = await rawRequest(`${gateway.peopleUrl}/api/policy/reload`, 'POST', { ...operator, ...headers }, '{}');
		t.equal(write.status, 415, `${type}: on the people's listener too`);
	}
	t.equal((await rawRequest(gateway.mcpUrl, 'POST', typed, ping)).status, 200);
	for (const { headers } of [await rawRequest(gateway.mcpUrl, 'OPTIONS', { origin: 'http://localhost:1' })])
		t.notOk(
			Object.keys(headers).some((name) => name.startsWith('access-control-')),
			'no browser is told that it may',
		);
});

/** A server that counts who comes; nobody should. */
async function trap(t: Test): Promise<{ url: string; visits: () => number }> {
	let visits = 0;
	const server = createServer((_request, response) => response.writeHead(200).end('{}'));
	server.on('connection', () => (visits += 1));
	server.listen(0, '127.0.0.1');
	await once(server, 'listening');
	t.teardown(() => {
		server.closeAllConnections();
		server.close();
	});
	return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, visits: () => visits };
}

t.test('attack 8: no address that an upstream or an agent names is ever asked, in whatever way it is named', async (t) => {
	const { url, visits } = await trap(t);
	const tool = (name: string, more: JsonObject = {}) => ({
		name,
		inputSchema: { type: 'object' },
		icons: [{ src: `${url}/icon.png` }],
		...more,
	});
	const redirects = [301, 302, 303, 307, 308];
	const upstream = await rawMcpServer(t, {
		'tools/list': ({ message }, response) =>
			json(response, 200, {
				jsonrpc: '2.0',
				id: message['id']!,
				result: {
					tools: [
						...redirects.map((status) => tool(`redirect_${status}`)),
						tool('unauthorized'),
						tool('remote_schema', { inputSchema: { type: 'object', $schema: `${url}/schema`, properties: { a: { $ref: `${url}/a` } } } }),
						tool('links'),
						tool('asks'),
						tool('moves'),
					],
				},
			}),
		'tools/call': ({ message }, response) => {
			const name = (message['params'] as { name: string }).name;
			const [, status] = /^redirect_(\d+)$/.exec(name) ?? [];
			if (status !== undefined) return void response.writeHead(Number(status), { location: `${url}/latest/meta-data/` }).end();
			if (name === 'unauthorized')
				return void response
					.writeHead(401, { 'www-authenticate': `Bearer resource_metadata="${url}/.well-known/oauth-protected-resource"` })
					.end();
			const content: JsonObject[] = [
				{ type: 'resource_link', uri: `${url}/link`, name: 'link' },
				{ type: 'text', text: `see ${url}/text` },
			];
			const answer = { jsonrpc: '2.0', id: message['id']!, result: { content, _meta: { 'example.com/next': url } } };
			if (name === 'links') return json(response, 200, answer, { location: url, link: `<${url}>; rel=preload`, refresh: `0; url=${url}` });
			if (name === 'moves') return void stream(response, `event: endpoint\ndata: ${url}/messages\n\n`, event(answer)).end();
			const ask = { mode: 'url', url: `${url}/form`, message: 'Go there', elicitationId: 'e' };
			stream(response, event({ jsonrpc: '2.0', id: 1, method: 'elicitation/create', params: ask }), event(answer)).end();
		},
	});
	const bundle = await rulesBundle(t, ALLOW_ALL);
	const gateway = await build(t, { upstreams: { raw: { url: upstream.url } }, config: { policy: { bundle } } });
	const agent = await openAgent(gateway.mcpUrl, {
		'x-forwarded-host': new URL(url).host,
		forwarded: `host=${new URL(url).host}`,
		'x-original-url': url,
	});
	for (const status of redirects) {
		const { word, text } = await agent.call(`redirect_${status}`);
		t.match(word, /^(upstream_error|outcome_unknown)$/, `${status}: ${text}`);
	}
	t.equal((await agent.call('unauthorized')).word, 'upstream_error');
	t.equal((await agent.call('remote_schema')).word, 'quarantined', 'a schema that stands elsewhere is not fetched');
	t.equal((await agent.call('links', { url, uri: `${url}/a`, webhook: url })).word, 'ok');
	t.equal((await agent.call('asks')).word, 'ok');
	t.equal((await agent.call('moves')).word, 'outcome_unknown', 'as the transport before this one told of another address');
	await agent.request('resources/read', { uri: `${url}/resource` });
	const [host, port] = [new URL(gateway.mcpUrl).hostname, Number(new URL(gateway.mcpUrl).port)];
	const socket = connect(port, host);
	socket.end(
		`POST ${url}/mcp HTTP/1.1\r\nHost: ${host}\r\nContent-Type: application/json\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}`,
	);
	socket.resume();
	await once(socket, 'close');
	t.equal((await post(`${gateway.mcpUrl}/${encodeURIComponent(url)}`, INITIALIZE)).status, 404, 'an upstream is named, never addressed');
	t.equal(visits(), 0);
});

t.test("attack 23: a replica whose clock is a day off goes by the database's", async (t) => {
	const gateway = await build(t);
	const agent = await openAgent(gateway.mcpUrl);
	const really = Date.now;
	t.teardown(() => void (Date.now = really));
	for (const [round, offMs] of [86_400_000, -86_400_000].entries()) {
		Date.now = () => really() + offMs;
		const held = agent.call('create_refund', { charge: 'ch_alice_4', amount: 100 + round });
		const [approval] = await until('an approval', async () => {
			const { approvals } = (await gateway.api<{ approvals: ApprovalView[] }>('GET', '/api/approvals?state=pending')).json;
			return approvals.length > 0 && approvals;
		});
		const leftMs = approval!.expiresAtMs - really();
		t.ok(leftMs > 600_000 && leftMs <= 901_000, `${leftMs} ms are left of a quarter of an hour`);
		t.equal((await gateway.api('POST', `/api/approvals/${approval!.id}/approve`, {})).status, 200);
		t.equal((await held).word, 'ok');
		for (const { kind, timeMs } of await gateway.events())
			t.ok(Math.abs(timeMs - really()) < 300_000, `${kind}: ${timeMs - really()} ms off`);
	}
	t.match(await gateway.payments.ledger(), { refunds: 2, refundedCents: 201 });
	t.match((await gateway.api('GET', '/api/audit/verify')).json, { isIntact: true });
});

import t, { type Test } from 'tap';
import { createDecipheriv, createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import * as lark from '@larksuiteoapi/node-sdk';
import { until } from '../../gateway/test/until.ts';
import { LarkChat } from '../localstripe-mcp/chat.ts';
import { buildMockLark } from './app.ts';
import { CardError, readCard } from './cards.ts';
import type { Behaviour, Message } from './chat.ts';

const SECRETS = { appId: 'cli_demo', appSecret: 'demo-secret', verificationToken: 'demo-verification-token', encryptKey: '' };
type Callback = { headers: IncomingHttpHeaders; raw: string };
type Started = {
	url: string;
	client: lark.Client;
	callback: Promise<Callback>;
	messages: () => Promise<Message[]>;
	// oxlint-disable-next-line typescript/no-explicit-any -- JSON of a reply, looked into by each test
	post: (path: string, body: unknown) => Promise<{ status: number; json: any }>;
};

/** mock-lark, and an app that answers its first callback with `answer`. */
async function start(
	t: Test,
	behaviour: Partial<Behaviour> = {},
	{ answer = {}, encryptKey = '' }: { answer?: unknown; encryptKey?: string } = {},
): Promise<Started> {
	const { promise: callback, resolve } = Promise.withResolvers<Callback>();
	const receiver = createServer(async (request, response) => {
		let raw = '';
		for await (const chunk of request) raw += chunk;
		response.end(JSON.stringify(answer));
		resolve({ headers: request.headers, raw });
	}).listen(0, '127.0.0.1');
	await once(receiver, 'listening');
	t.teardown(() => receiver.close());
	const callbackUrl = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/lark/actions`;

	const app = buildMockLark({ mode: 'approve', callbackUrl, operator: 'ou_bob', ...behaviour }, { ...SECRETS, encryptKey });
	t.teardown(() => app.close());
	await app.listen({ host: '127.0.0.1', port: 0 });
	const url = `http://127.0.0.1:${(app.server.address() as AddressInfo).port}`;
	return {
		url,
		callback,
		client: sdkClient(url),
		messages: async () => (await (await fetch(`${url}/_messages`)).json()) as Message[],
		post: async (path, body) => {
			const response = await fetch(url + path, {
				method: 'POST',
				headers: { 'content-type': 'application/json' },
				body: JSON.stringify(body),
			});
			return { status: response.status, json: await response.json() };
		},
	};
}

function sdkClient(url: string, appSecret = SECRETS.appSecret, appId = SECRETS.appId): lark.Client {
	// A cache of its own, because the SDK otherwise shares tokens between all clients of a process.
	const kept = new Map<unknown, unknown>();
	const cache = { get: async (key: unknown) => kept.get(key), set: async (key: unknown, value: unknown) => Boolean(kept.set(key, value)) };
	return new lark.Client({ appId, appSecret, domain: url, loggerLevel: lark.LoggerLevel.fatal, cache: cache as never });
}

function approvalCard(id: string, more: Record<string, unknown> = {}): Record<string, unknown> {
	const button = (decision: string, type: string): unknown => ({
		tag: 'button',
		type,
		text: { tag: 'plain_text', content: decision },
		behaviors: [{ type: 'callback', value: { toolgate: { approval: id, decision } } }],
	});
	return {
		schema: '2.0',
		config: { update_multi: true },
		header: { title: { tag: 'plain_text', content: 'Refund?' }, template: 'orange' },
		body: {
			elements: [
				{ tag: 'markdown', content: '**create_refund** `{"amount": 4200}`' },
				{
					tag: 'column_set',
					columns: [
						{ tag: 'column', elements: [button('approve', 'primary')] },
						{ tag: 'column', elements: [button('reject', 'danger')] },
					],
				},
			],
		},
		...more,
	};
}

async function sendCard(client: lark.Client, card: unknown, uuid?: string): Promise<string> {
	const { code, data } = await client.im.message.create({
		params: { receive_id_type: 'chat_id' },
		data: { receive_id: 'oc_demo', msg_type: 'interactive', content: JSON.stringify(card), ...(uuid && { uuid }) },
	});
	if (code !== 0) throw new Error(`code ${code}`);
	return data?.message_id as string;
}

async function refusal(promise: Promise<unknown>): Promise<{ code?: number; msg?: string }> {
	return await promise.then(
		() => ({}),
		(error) => error.response?.data ?? error,
	);
}

t.test('a card sent by the official SDK is approved by a callback whose signature anyone can compute', async (t) => {
	const { client, callback, messages } = await start(t, {}, { answer: { toast: { type: 'success', content: 'Approved' } } });
	const messageId = await sendCard(client, approvalCard('apr_1'));
	const { headers, raw } = await callback;
	const signed = `${headers['x-lark-request-timestamp']}${headers['x-lark-request-nonce']}demo-verification-token${raw}`;
	t.equal(headers['x-lark-signature'], createHash('sha1').update(signed).digest('hex'));
	t.ok(Math.abs(Number(headers['x-lark-request-timestamp']) - Date.now() / 1000) < 5);
	const body = JSON.parse(raw);
	t.match(body, {
		schema: '2.0',
		header: {
			event_type: 'card.action.trigger',
			token: 'demo-verification-token',
			app_id: 'cli_demo',
			tenant_key: String,
			event_id: /^[0-9a-f]{32}$/,
			create_time: /^\d{16}$/,
		},
		event: {
			operator: { open_id: 'ou_bob' },
			token: /^c-/,
			action: { tag: 'button', value: { toolgate: { approval: 'apr_1', decision: 'approve' } } },
			context: { open_message_id: messageId, open_chat_id: 'oc_demo' },
		},
	});
	t.match(await messages(), [{ messageId, chatId: 'oc_demo', type: 'interactive', card: approvalCard('apr_1') }]);
});

t.test('with an encrypt key, the callback is encrypted and signed as the SDK expects', async (t) => {
	const { client, callback } = await start(t, { mode: 'reject', operator: 'ou_carol' }, { encryptKey: 'demo-key' });
	await sendCard(client, approvalCard('apr_2'));
	const { headers, raw } = await callback;
	const signed = `${headers['x-lark-request-timestamp']}${headers['x-lark-request-nonce']}demo-key${raw}`;
	t.equal(headers['x-lark-signature'], createHash('sha256').update(signed).digest('hex'));

	const sealed = Buffer.from(JSON.parse(raw).encrypt, 'base64');
	const decipher = createDecipheriv('aes-256-cbc', createHash('sha256').update('demo-key').digest(), sealed.subarray(0, 16));
	const opened = JSON.parse(decipher.update(sealed.subarray(16), undefined, 'utf8') + decipher.final('utf8'));
	t.match(opened, { event: { operator: { open_id: 'ou_carol' }, action: { value: { toolgate: { decision: 'reject' } } } } });

	let seen: unknown;
	const dispatcher = new lark.EventDispatcher({ encryptKey: 'demo-key', loggerLevel: lark.LoggerLevel.fatal });
	dispatcher.register({
		'card.action.trigger': (data: unknown) => {
			seen = data;
		},
	} as never);
	await dispatcher.invoke(Object.assign(Object.create({ headers }), JSON.parse(raw)));
	t.match(
		seen,
		{ action: { value: { toolgate: { approval: 'apr_2' } } }, context: { open_chat_id: 'oc_demo' } },
		'the SDK verifies and opens it',
	);
});

t.test('in mode ignore nothing is answered until someone presses, and the card of the answer is shown', async (t) => {
	const done = { ...approvalCard('apr_3'), body: { elements: [{ tag: 'markdown', content: 'Rejected by Bob' }] } };
	const { client, messages, post, callback } = await start(t, { mode: 'ignore' }, { answer: { card: { type: 'raw', data: done } } });
	const messageId = await sendCard(client, approvalCard('apr_3'));
	t.match(await messages(), [{ callbacks: [] }]);
	t.match(await post('/_press', { messageId, button: 1 }), {
		status: 200,
		json: { status: 200, value: { toolgate: { decision: 'reject' } } },
	});
	t.match(JSON.parse((await callback).raw), { event: { action: { value: { toolgate: { decision: 'reject' } } } } });
	t.match(await messages(), [{ card: done, earlierCards: [approvalCard('apr_3')] }]);
	t.match(await post('/_press', { messageId, button: 0 }), { status: 400 }, 'the new card has no buttons');
});

t.test('the mode can be changed, read and reset', async (t) => {
	const { url, client, post, messages, callback } = await start(t, { mode: 'ignore' });
	t.match(await post('/_mode', { mode: 'perhaps' }), {
		status: 400,
		json: { msg: 'mode is "perhaps", expected one of approve, approve-once, reject, ignore' },
	});
	t.match(await post('/_mode', { mode: 'reject' }), { status: 200, json: { mode: 'reject' } });
	await sendCard(client, approvalCard('apr_4'));
	t.match(JSON.parse((await callback).raw), { event: { action: { value: { toolgate: { decision: 'reject' } } } } });
	await fetch(`${url}/_reset`, { method: 'POST' });
	t.match(await (await fetch(`${url}/_mode`)).json(), { mode: 'ignore' });
	t.strictSame(await messages(), []);
});

t.test('it can be slow, down, late and repeat itself, and a fault that it does not know is named', async (t) => {
	const { post, client, messages, url } = await start(t, { mode: 'approve' });
	t.match(await post('/_faults', { asleep: 1 }), {
		status: 400,
		json: { msg: /there is no fault "asleep", only slowMs, down, lateMs, copies/ },
	});
	t.match(await post('/_faults', { slowMs: -1 }), { status: 400, json: { msg: /slowMs is -1, expected a number/ } });
	t.match(await post('/_faults', { down: true }), { status: 200, json: { down: true, copies: 1 } });
	t.equal((await fetch(`${url}/open-apis/im/v1/messages`, { method: 'POST' })).status, 503);
	t.equal((await fetch(`${url}/_messages`)).status, 200, 'people still see the chat');

	await post('/_faults', { slowMs: 100, lateMs: 100, copies: 2 });
	const beganMs = performance.now();
	await sendCard(client, approvalCard('apr_9'));
	t.ok(performance.now() - beganMs >= 100, 'slow');
	const [first, second] = await until('both callbacks', async () => {
		const [message] = await messages();
		return message !== undefined && message.callbacks.length === 2 && message.callbacks;
	});
	t.ok(performance.now() - beganMs >= 200, 'late');
	t.equal(first?.eventId, second?.eventId, 'the same event, twice');
	await post('/_reset', {});
	t.match(await (await fetch(`${url}/_faults`)).json(), { slowMs: 0, down: false, copies: 1 });
});

t.test('a submit button sends the inputs of its form along', async (t) => {
	const submit = {
		tag: 'button',
		name: 'no',
		form_action_type: 'submit',
		text: { tag: 'plain_text', content: 'Reject' },
		behaviors: [{ type: 'callback', value: { decision: 'reject' } }],
	};
	const card = {
		schema: '2.0',
		body: { elements: [{ tag: 'form', name: 'f', elements: [{ tag: 'input', name: 'reason', default_value: 'none' }, submit] }] },
	};
	const { client, post, callback } = await start(t, { mode: 'ignore' });
	const messageId = await sendCard(client, card);
	await post('/_press', { messageId, button: 0, typed: { reason: 'too much' } });
	t.match(JSON.parse((await callback).raw), { event: { action: { name: 'no', form_value: { reason: 'too much' } } } });
});

t.test('a card is updated by the SDK, and only by Card JSON 2.0', async (t) => {
	const { client, messages } = await start(t, { mode: 'ignore' });
	const messageId = await sendCard(client, approvalCard('apr_5'));
	const patch = (card: unknown, id = messageId): Promise<unknown> =>
		client.im.message.patch({ path: { message_id: id }, data: { content: JSON.stringify(card) } });
	const expired = { ...approvalCard('apr_5'), body: { elements: [{ tag: 'markdown', content: 'Expired' }] } };
	t.match(await patch(expired), { code: 0 });
	t.match(await messages(), [{ card: expired }]);
	t.match(await refusal(patch({ config: {}, elements: [] })), { code: 230099, msg: /schema "2\.0"/ });
	t.match(await refusal(patch(expired, 'om_none')), { code: 230001 });
	t.match(await messages(), [{ card: expired }], 'a refused update changes nothing');
});

t.test('the same uuid posts once', async (t) => {
	const { client, messages } = await start(t, { mode: 'ignore' });
	t.equal(await sendCard(client, approvalCard('apr_6'), 'apr_6'), await sendCard(client, approvalCard('apr_6'), 'apr_6'));
	t.equal((await messages()).length, 1);
});

t.test('a text message is posted, through the chat of the payments server', async (t) => {
	const { url, messages } = await start(t);
	const chat = new LarkChat({ appId: SECRETS.appId, appSecret: SECRETS.appSecret, chatId: 'oc_demo', baseUrl: url });
	const { messageId } = await chat.send('Hello', 'oc_team');
	t.match(await messages(), [{ messageId, chatId: 'oc_team', type: 'text', text: 'Hello', callbacks: [] }]);
	await t.rejects(chat.send('Hello', 'nowhere'), { message: /Lark refused the message: .*invalid receive_id \(code 230001\)/ });
	const away = new LarkChat({ appId: 'cli_away', appSecret: 'x', chatId: 'oc_demo', baseUrl: 'http://127.0.0.1:1' });
	await t.rejects(away.send('Hello'), { message: /Lark cannot be reached at http:\/\/127\.0\.0\.1:1/ });
});

t.test('wrong credentials are refused with the codes of Lark', async (t) => {
	const { url, post } = await start(t);
	const path = '/open-apis/auth/v3/tenant_access_token/internal';
	t.match(await post(path, { app_id: 'cli_demo', app_secret: 'guess' }), { status: 400, json: { code: 10014 } });
	t.match(await post(path, { app_id: 'cli_other', app_secret: 'demo-secret' }), { status: 400, json: { code: 10003 } });
	t.match(await post('/open-apis/im/v1/messages?receive_id_type=chat_id', {}), { status: 400, json: { code: 99991661 } });
	const response = await fetch(`${url}/open-apis/im/v1/messages?receive_id_type=chat_id`, {
		method: 'POST',
		headers: { authorization: 'Bearer t-ffffffff-00' },
	});
	t.match(await response.json(), { code: 99991663 });
});

t.test('an app that is away, is part of the story of a message', async (t) => {
	const { client, post } = await start(t, { mode: 'ignore', callbackUrl: 'http://127.0.0.1:1/lark/actions' });
	const messageId = await sendCard(client, approvalCard('apr_7'));
	t.match((await post('/_press', { messageId, button: 0 })).json, { error: /no answer from http:\/\/127\.0\.0\.1:1\/lark\/actions/ });
});

t.test('cards that Lark would refuse are refused by name', async (t) => {
	const refused = (card: unknown, code: number, message: RegExp): void => {
		try {
			readCard(typeof card === 'string' ? card : JSON.stringify(card));
			t.fail(`took ${JSON.stringify(card)}`);
		} catch (error) {
			t.ok(error instanceof CardError);
			t.match(error, { code, message });
		}
	};
	const withElement = (element: unknown): unknown => ({ schema: '2.0', body: { elements: [element] } });
	refused('{', 200621, /not JSON/);
	refused({ elements: [] }, 200621, /schema "2\.0"/);
	refused({ ...approvalCard('x'), elements: [] }, 200621, /unknown property: elements, path: \[\]/);
	refused({ schema: '2.0' }, 200621, /path: \[body\]/);
	refused({ ...approvalCard('x'), config: { update_multi: false } }, 200861, /update_multi/);
	refused({ ...approvalCard('x'), config: { wide_screen_mode: true } }, 200621, /unknown property: wide_screen_mode/);
	refused({ ...approvalCard('x'), header: { title: 'Refund?' } }, 200621, /path: \[header, title\]/);
	refused(withElement({ tag: 'action', actions: [] }), 200861, /unsupported tag action; ErrPath: ROOT -> body -> elements -> 0/);
	refused(withElement({ tag: 'markdown' }), 200621, /content is not a string/);
	refused(withElement({ tag: 'button', value: { a: 1 } }), 200621, /unknown property: value/);
	refused(withElement({ tag: 'button', behaviors: [{ type: 'callback' }] }), 200621, /value/);
	refused(withElement({ tag: 'button', behaviors: [{ type: 'press' }] }), 200621, /callback or open_url/);
	refused(withElement({ tag: 'hr', element_id: '1st' }), 200621, /element_id/);
	refused(
		{
			schema: '2.0',
			body: {
				elements: [
					{ tag: 'hr', element_id: 'a' },
					{ tag: 'hr', element_id: 'a' },
				],
			},
		},
		200621,
		/twice/,
	);
	refused(withElement({ tag: 'markdown', content: 'x'.repeat(31_000) }), 200380, /30720 bytes/);
	refused({ schema: '2.0', body: { elements: Array.from({ length: 201 }, () => ({ tag: 'hr' })) } }, 11310, /over limit 200/);
	t.ok(readCard(JSON.stringify(approvalCard('x'))));
});

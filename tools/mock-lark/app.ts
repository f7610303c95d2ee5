import { readFileSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import fastify, { type FastifyInstance, type FastifyRequest } from 'fastify';
import { TENANT_KEY, type AppSecrets } from './callback.ts';
import { CardError, callbackButtons, readCard } from './cards.ts';
import { Chat, MODES, NO_FAULTS, type Behaviour, type Faults, type Message, type Mode } from './chat.ts';
import { TenantTokens } from './tokens.ts';

/** Lark's way to refuse: HTTP 400 and `{ code, msg }`. */
class LarkError extends Error {
	code: number;

	constructor(code: number, message: string) {
		super(message);
		this.code = code;
	}
}

const RECEIVERS: Record<string, RegExp> = {
	chat_id: /^oc_\w+$/,
	open_id: /^ou_\w+$/,
	union_id: /^on_\w+$/,
	user_id: /^\w+$/,
	email: /^[^@\s]+@[^@\s]+$/,
};
const MAX_FAULT = 600_000;
const PAGE = readFileSync(new URL('page.html', import.meta.url), 'utf8');

/**
 * A fake Lark. `/open-apis/*` is the part of Lark's API that sends messages and updates cards. For people and tests: `GET /` shows the chat,
 * `GET /_messages`, `GET` and `POST /_mode {mode}`, `GET` and `POST /_faults {slowMs?, down?, lateMs?, copies?}`,
 * `POST /_press {messageId, button, typed?}`, `POST /_reset`.
 */
export function buildMockLark(behaviour: Behaviour, secrets: AppSecrets): FastifyInstance {
	const app = fastify({ forceCloseConnections: true });
	const tokens = new TenantTokens(secrets.appSecret);
	const chat = new Chat(behaviour, secrets);

	app.addHook('onRequest', async ({ url }) => {
		if (!url.startsWith('/open-apis/')) return;
		const { slowMs, down } = chat.faults;
		if (slowMs > 0) await pause(slowMs);
		if (down) throw Object.assign(new Error('the fake Lark was told to be down'), { statusCode: 503 });
	});

	app.post('/open-apis/auth/v3/tenant_access_token/internal', (request) => {
		const { app_id: id, app_secret: secret } = bodyOf(request);
		if (id !== secrets.appId) throw new LarkError(10003, 'invalid param: no app has this app_id');
		if (secret !== secrets.appSecret) throw new LarkError(10014, 'app secret invalid');
		const { token, expire } = tokens.issue();
		return { code: 0, msg: 'ok', tenant_access_token: token, expire };
	});

	app.register(async (messages) => {
		messages.addHook('onRequest', (request, _reply, done) => {
			const token = /^Bearer (.+)$/.exec(request.headers.authorization ?? '')?.[1];
			if (!token)
				throw new LarkError(99991661, 'Missing access token for authorization. Please make a test attempt with the correct token.');
			if (!tokens.isValid(token))
				throw new LarkError(99991663, 'Invalid access token for authorization. Please make a test attempt with the correct token.');
			done();
		});
		messages.post('/open-apis/im/v1/messages', (request) => {
			const { receive_id_type: idType = '' } = request.query as { receive_id_type?: string };
			const { receive_id: receiver, msg_type: type, content, uuid } = bodyOf(request);
			const receivers = RECEIVERS[idType];
			if (!receivers)
				throw new LarkError(99992402, `field validation failed: receive_id_type is one of ${Object.keys(RECEIVERS).join(', ')}`);
			if (typeof receiver !== 'string' || !receivers.test(receiver))
				throw new LarkError(230001, 'Your request contains an invalid request parameter, ext=invalid receive_id');
			if (typeof content !== 'string')
				throw new LarkError(230001, 'Your request contains an invalid request parameter, ext=content is not a string in JSON format');
			if (uuid !== undefined && (typeof uuid !== 'string' || uuid.length > 50))
				throw new LarkError(230001, 'Your request contains an invalid request parameter, ext=uuid is over 50 characters');
			const message = chat.post(receiver, readContent(type, content), uuid);
			return { code: 0, msg: 'success', data: describe(message, secrets.appId) };
		});
		messages.patch('/open-apis/im/v1/messages/:id', (request) => {
			const message = find(chat, (request.params as { id: string }).id);
			const { content } = bodyOf(request);
			if (!message) throw new LarkError(230001, 'Your request contains an invalid request parameter, ext=invalid message_id');
			if (message.type !== 'interactive' || typeof content !== 'string')
				throw new LarkError(230001, 'This message is not a card, or content is missing');
			const parsed = readContent('interactive', content);
			if ('card' in parsed) chat.update(message, parsed.card);
			return { code: 0, msg: 'success', data: {} };
		});
	});

	app.get('/', (_request, reply) => reply.type('text/html; charset=utf-8').send(PAGE));
	app.get('/_messages', () => chat.messages);
	app.get('/_mode', () => ({ mode: chat.behaviour.mode, callbackUrl: chat.behaviour.callbackUrl }));
	app.post('/_mode', (request) => {
		const { mode } = bodyOf(request);
		if (!MODES.includes(mode as Mode)) throw new LarkError(400, `mode is "${String(mode)}", expected one of ${MODES.join(', ')}`);
		chat.behaviour = { ...chat.behaviour, mode: mode as Mode };
		return { mode };
	});
	app.get('/_faults', () => chat.faults);
	app.post('/_faults', (request) => {
		const faults = bodyOf(request);
		for (const [name, value] of Object.entries(faults)) {
			const known = NO_FAULTS[name as keyof Faults];
			if (known === undefined) throw new LarkError(400, `there is no fault "${name}", only ${Object.keys(NO_FAULTS).join(', ')}`);
			if (typeof value !== typeof known || (typeof value === 'number' && !(value >= 0 && value <= MAX_FAULT)))
				throw new LarkError(
					400,
					`${name} is ${JSON.stringify(value)}, expected ${typeof known === 'number' ? `a number of at most ${MAX_FAULT}` : 'true or false'}`,
				);
		}
		chat.behaviour = { ...chat.behaviour, faults };
		return chat.faults;
	});
	app.post('/_press', async (request) => {
		const { messageId, button: index, typed } = bodyOf(request);
		const message = find(chat, String(messageId));
		const button = message?.card && callbackButtons(message.card)[Number(index)];
		if (!message || !button) throw new LarkError(400, 'no such message, or no such button on it');
		return await chat.press(message, button, typed as Record<string, string> | undefined);
	});
	app.post('/_reset', () => {
		chat.clear();
		chat.behaviour = behaviour;
		return { mode: behaviour.mode };
	});

	app.setNotFoundHandler((_request, reply) => reply.code(404).send({ code: 404, msg: '404 page not found' }));
	app.setErrorHandler((error: Error & { statusCode?: number; code?: unknown }, _request, reply) => {
		if (error instanceof LarkError) return reply.code(400).send({ code: error.code, msg: error.message });
		return reply.code(error.statusCode ?? 500).send({ code: 9499, msg: `Bad Request: ${error.message}` });
	});
	return app;
}

function readContent(type: unknown, content: string): Parameters<Chat['post']>[1] {
	if (type === 'interactive') {
		try {
			return { card: readCard(content) };
		} catch (error) {
			if (error instanceof CardError)
				throw new LarkError(230099, `Failed to create card content, ext=ErrCode: ${error.code}; ErrMsg: ${error.message}; `);
			throw error;
		}
	}
	if (type !== 'text') throw new LarkError(230001, 'mock-lark takes msg_type text and interactive only');
	try {
		const { text } = JSON.parse(content) as { text?: unknown };
		if (typeof text === 'string' && text) return { text };
	} catch {
		/* told below, as for any other wrong content */
	}
	throw new LarkError(230001, 'Your request contains an invalid request parameter, ext=content is not {"text": "…"}');
}

function describe({ messageId, chatId, type, createdAt, text, card }: Message, appId: string): unknown {
	const time = String(Date.parse(createdAt));
	return {
		message_id: messageId,
		msg_type: type,
		create_time: time,
		update_time: time,
		deleted: false,
		updated: false,
		chat_id: chatId,
		sender: { id: appId, id_type: 'app_id', sender_type: 'app', tenant_key: TENANT_KEY },
		body: { content: JSON.stringify(card ?? { text }) },
	};
}

function find(chat: Chat, id: string): Message | undefined {
	return chat.messages.find(({ messageId }) => messageId === id);
}

function bodyOf(request: FastifyRequest): Record<string, unknown> {
	if (typeof request.body === 'object' && request.body !== null) return request.body as Record<string, unknown>;
	throw new LarkError(9499, 'Bad Request: the body is not a JSON object');
}

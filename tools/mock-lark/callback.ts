import { createCipheriv, createHash, randomBytes } from 'node:crypto';

/** What a Lark app's page of secrets says. Without an encrypt key, callbacks are sent in the clear. */
export type AppSecrets = { appId: string; appSecret: string; verificationToken: string; encryptKey: string };
export type Click = {
	messageId: string;
	chatId: string;
	operator: string;
	value: unknown;
	name?: string;
	formValue?: Record<string, string>;
};
/** How a callback went: the answer, or why there was none. */
export type CallbackResult = {
	at: string;
	eventId: string;
	operator: string;
	value: unknown;
	status?: number;
	response?: unknown;
	error?: string;
};

export const TENANT_KEY = 'mock-tenant';
/** Lark gives the app three seconds, then tells the user that it failed; it doesn't try again. */
const ANSWER_WITHIN_MS = 3000;

/** The body of the event `card.action.trigger`, schema 2.0. */
export function clickEvent({ messageId, chatId, operator, value, name, formValue }: Click, secrets: AppSecrets, eventId: string): unknown {
	return {
		schema: '2.0',
		header: {
			event_id: eventId,
			token: secrets.verificationToken,
			create_time: String(Date.now() * 1000),
			event_type: 'card.action.trigger',
			tenant_key: TENANT_KEY,
			app_id: secrets.appId,
		},
		event: {
			operator: { tenant_key: TENANT_KEY, open_id: operator, union_id: operator.replace(/^ou_/, 'on_') },
			token: `c-${randomBytes(20).toString('hex')}`,
			action: { value, tag: 'button', timezone: 'UTC', ...(name && { name }), ...(formValue && { form_value: formValue }) },
			host: 'im_message',
			context: { open_message_id: messageId, open_chat_id: chatId },
		},
	};
}

/**
 * The body as it is sent and its three headers. With an encrypt key, the body is encrypted and signed by SHA-256 over timestamp, nonce, encrypt
 * key and body; without one, the card signature stands: SHA-1 over timestamp, nonce, verification token and body.
 */
export function sealCallback(
	event: unknown,
	{ verificationToken, encryptKey }: AppSecrets,
): { body: string; headers: Record<string, string> } {
	const json = JSON.stringify(event);
	const body = encryptKey ? JSON.stringify({ encrypt: encrypt(json, encryptKey) }) : json;
	const timestamp = String(Math.floor(Date.now() / 1000));
	const nonce = randomBytes(8).toString('hex');
	const [algorithm, secret] = encryptKey ? ['sha256', encryptKey] : ['sha1', verificationToken];
	return {
		body,
		headers: {
			'content-type': 'application/json; charset=utf-8',
			'x-lark-request-timestamp': timestamp,
			'x-lark-request-nonce': nonce,
			'x-lark-signature': createHash(algorithm as string)
				.update(timestamp + nonce + secret + body)
				.digest('hex'),
		},
	};
}

/** Tells the app of a click. Never rejects: a failure is part of the result. @param eventId of the callback that this one repeats */
export async function sendCallback(
	url: string,
	click: Click,
	secrets: AppSecrets,
	eventId: string = randomBytes(16).toString('hex'),
): Promise<CallbackResult> {
	const result: CallbackResult = { at: new Date().toISOString(), eventId, operator: click.operator, value: click.value };
	try {
		const response = await fetch(url, {
			method: 'POST',
			...sealCallback(clickEvent(click, secrets, eventId), secrets),
			signal: AbortSignal.timeout(ANSWER_WITHIN_MS),
		});
		result.status = response.status;
		const text = await response.text();
		result.response = text ? JSON.parse(text) : {};
		if (response.status !== 200) result.error = `the app answered ${response.status}`;
	} catch (error) {
		const cause = (error as { cause?: { message?: string } }).cause?.message;
		result.error =
			error instanceof SyntaxError ? 'the answer of the app is not JSON' : `no answer from ${url}: ${cause || (error as Error).message}`;
	}
	return result;
}

/** Lark's encryption: AES-256-CBC under the SHA-256 of the encrypt key, base64 of IV and ciphertext. */
function encrypt(text: string, encryptKey: string): string {
	const iv = randomBytes(16);
	const cipher = createCipheriv('aes-256-cbc', createHash('sha256').update(encryptKey).digest(), iv);
	return Buffer.concat([iv, cipher.update(text, 'utf8'), cipher.final()]).toString('base64');
}

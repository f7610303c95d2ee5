import { createHash, randomUUID } from 'node:crypto';
import type { AddressInfo } from 'node:net';
import type { Test } from 'tap';
import { type Click, clickEvent, sealCallback } from '../../tools/mock-lark/callback.ts';
import { buildMockLark } from '../../tools/mock-lark/app.ts';
import type { Faults, Message, Mode } from '../../tools/mock-lark/chat.ts';

const secrets = { appId: 'cli_test', appSecret: 'test-secret', verificationToken: 'test-token', encryptKey: '' };

/** The fake Lark in this process, and callbacks that did not come from it. */
export interface MockLark {
	/** The `lark` part of a configuration that uses it. */
	readonly config: Readonly<Record<string, string>>;
	messages(): Promise<Message[]>;
	/** From now on: `{}` for none. */
	fail(faults: Partial<Faults>): Promise<void>;
	/** Tells it where callbacks go. */
	callbackUrl: string;
	/** The headers that prove a body at a time. */
	sign(body: string, timestampSeconds: number): Record<string, string>;
	/** The body and headers of a click that Lark would send. */
	click(click: Partial<Click> & { value: unknown }): { body: string; headers: Record<string, string> };
}

export async function mockLark(t: Test, mode: Mode, operator = 'ou_bob'): Promise<MockLark> {
	const behaviour = { mode, callbackUrl: '', operator };
	const app = buildMockLark(behaviour, secrets);
	await app.listen({ host: '127.0.0.1', port: 0 });
	t.teardown(() => app.close());
	const url = `http://127.0.0.1:${(app.server.address() as AddressInfo).port}`;
	return {
		config: {
			appId: secrets.appId,
			appSecret: secrets.appSecret,
			chatId: 'oc_test',
			verificationToken: secrets.verificationToken,
			apiBaseUrl: url,
		},
		fail: async (faults) => {
			const { ok, status } = await fetch(`${url}/_faults`, {
				method: 'POST',
				headers: { 'content-type': 'application/json' },
				body: JSON.stringify(faults),
			});
			if (!ok) throw new Error(`mock-lark answered ${status}`);
		},
		messages: async () => (await fetch(`${url}/_messages`)).json() as Promise<Message[]>,
		get callbackUrl() {
			return behaviour.callbackUrl;
		},
		set callbackUrl(to: string) {
			behaviour.callbackUrl = to;
		},
		sign: (body, timestampSeconds) => ({
			'x-lark-request-timestamp': String(timestampSeconds),
			'x-lark-request-nonce': 'nonce',
			'x-lark-signature': createHash('sha1').update(`${timestampSeconds}nonce${secrets.verificationToken}${body}`).digest('hex'),
		}),
		click: (click) =>
			sealCallback(clickEvent({ messageId: 'om_1', chatId: 'oc_test', operator: 'ou_bob', ...click }, secrets, randomUUID()), secrets),
	};
}

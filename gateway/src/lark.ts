import type { FastifyInstance } from 'fastify';
import type { Notifier } from './approvals/approval.ts';
import { CallbackVerifier } from './approvals/lark/callback.ts';
import { createLarkNotifier } from './approvals/lark/notifier.ts';
import type { Config } from './config.ts';

/** Where cards are sent; undefined without Lark. */
export async function larkOf({ lark }: Config, onNews: (text: string, isProblem?: boolean) => void): Promise<Notifier | undefined> {
	const { appId, appSecret, chatId, apiBaseUrl } = lark;
	// All or none: the configuration has been refused otherwise.
	if (appId === undefined || appSecret === undefined || chatId === undefined) return undefined;
	if (lark.verificationToken === undefined && lark.encryptKey === undefined)
		onNews('lark: neither verificationToken nor encryptKey is set, so cards are sent but can not be answered: /lark/actions is off', true);
	return createLarkNotifier({ appId, appSecret, chatId, ...(apiBaseUrl === undefined ? {} : { apiBaseUrl }) });
}

/** The route on which cards are answered, where a callback can be verified. */
export function callbacksOf(
	{ lark }: Config,
	register: (app: FastifyInstance, verifier: CallbackVerifier) => void,
	nowMs: () => number,
): { callbacks?: (app: FastifyInstance) => void } {
	const { appId, verificationToken, encryptKey } = lark;
	if (appId === undefined || (verificationToken === undefined && encryptKey === undefined)) return {};
	const verifier = new CallbackVerifier(
		{ ...(verificationToken === undefined ? {} : { verificationToken }), ...(encryptKey === undefined ? {} : { encryptKey }) },
		nowMs,
	);
	return { callbacks: (app) => register(app, verifier) };
}

/** Who a Lark user is here. */
export function personByOpenId({ people }: Config, memberships: (id: string) => readonly string[]) {
	const byOpenId = new Map(
		Object.entries(people).flatMap(([id, { larkOpenId }]) =>
			larkOpenId === undefined || id.includes('*') ? [] : [[larkOpenId, id] as const],
		),
	);
	return (openId: string) => {
		const id = byOpenId.get(openId);
		return id === undefined ? undefined : { id, groups: memberships(id) };
	};
}

import type { ApprovalView, Notifier } from '../approval.ts';
import { endedCard, pendingCard } from './card.ts';

export interface LarkSettings {
	readonly appId: string;
	readonly appSecret: string;
	readonly chatId: string;
	/** Unset: the real Lark. */
	readonly apiBaseUrl?: string;
	/** How long one request may take; the SDK would wait for ever. */
	readonly timeoutMs?: number;
}

const TIMEOUT_MS = 10_000;

const nothing = () => undefined;
const SILENT = { error: nothing, warn: nothing, info: nothing, debug: nothing, trace: nothing };

/** Sends a card for each approval with the official SDK, and makes it terminal when the approval ends. */
export async function createLarkNotifier({
	appId,
	appSecret,
	chatId,
	apiBaseUrl,
	timeoutMs = TIMEOUT_MS,
}: LarkSettings): Promise<Notifier> {
	// Loaded only where Lark is configured: it is the largest dependency there is.
	const { Client, defaultHttpInstance, Domain, LoggerLevel } = await import('@larksuiteoapi/node-sdk');
	// A redirect would take the app's token to an address that nobody configured.
	Object.assign(defaultHttpInstance.defaults, { timeout: timeoutMs, maxRedirects: 0 });
	// The SDK writes to standard output at every level; what goes wrong is thrown, and told once.
	const client = new Client({
		appId,
		appSecret,
		domain: apiBaseUrl ?? Domain.Lark,
		loggerLevel: LoggerLevel.fatal,
		logger: SILENT,
		source: 'toolgate',
	});

	async function requested(approval: ApprovalView): Promise<string> {
		const answer = await client.im.v1.message.create({
			params: { receive_id_type: 'chat_id' },
			// The uuid makes a repeated attempt the same message.
			data: { receive_id: chatId, msg_type: 'interactive', content: JSON.stringify(pendingCard(approval)), uuid: approval.id },
		});
		const messageId = answer.data?.message_id;
		if (answer.code !== 0 || messageId === undefined)
			throw new Error(`Lark refused the card: ${answer.msg ?? 'no message id'} (${answer.code})`);
		return messageId;
	}

	async function ended(approval: ApprovalView, messageId: string): Promise<void> {
		const answer = await client.im.v1.message.patch({
			path: { message_id: messageId },
			data: { content: JSON.stringify(endedCard(approval)) },
		});
		if (answer.code !== 0) throw new Error(`Lark refused the card's update: ${answer.msg} (${answer.code})`);
	}

	return { name: 'lark', requested, ended };
}

import { randomUUID } from 'node:crypto';
import { Client } from '@larksuiteoapi/node-sdk';

/** A message that was sent; `chat` is the id of the Lark chat. */
export type SentMessage = { messageId: string; chat: string; text: string };

/** Where `send_lark_message` delivers. */
export interface Chat {
	/** Resolves once the message is delivered; rejects with a sentence that can be shown where it isn't. */
	send(text: string, chat?: string): Promise<SentMessage>;
}

export type LarkSettings = { appId: string; appSecret: string; chatId: string; baseUrl: string };

// The SDK greets and complains on the console at any log level; what goes wrong is told by `send`.
const SILENT = { error() {}, warn() {}, info() {}, debug() {}, trace() {} };

/** Lark itself, or anything that speaks its API at `baseUrl`, by the official SDK. */
export class LarkChat implements Chat {
	#client: Client;
	#settings: LarkSettings;

	constructor(settings: LarkSettings) {
		const { appId, appSecret, baseUrl } = settings;
		this.#settings = settings;
		this.#client = new Client({ appId, appSecret, domain: baseUrl, logger: SILENT });
	}

	async send(text: string, chat = this.#settings.chatId): Promise<SentMessage> {
		const answer = await this.#client.im.message
			.create({
				params: { receive_id_type: 'chat_id' },
				data: { receive_id: chat, msg_type: 'text', content: JSON.stringify({ text }) },
			})
			.catch((error: { message: string; response?: { data?: { code?: number; msg?: string } } }) => {
				const { code, msg } = error.response?.data ?? {};
				throw new Error(
					code
						? `Lark refused the message: ${msg} (code ${code})`
						: `Lark cannot be reached at ${this.#settings.baseUrl}: ${error.message}`,
				);
			});
		if (answer.code !== 0 || !answer.data?.message_id) throw new Error(`Lark refused the message: ${answer.msg} (code ${answer.code})`);
		return { messageId: answer.data.message_id, chat, text };
	}
}

/** Keeps the latest messages in memory: what is used where no Lark app is configured. */
export class MemoryChat implements Chat {
	readonly sent: SentMessage[] = [];
	#chatId: string;

	constructor(chatId: string) {
		this.#chatId = chatId;
	}

	async send(text: string, chat = this.#chatId): Promise<SentMessage> {
		const message = { messageId: `om_${randomUUID()}`, chat, text };
		this.sent.push(message);
		if (this.sent.length > 1000) this.sent.shift();
		return message;
	}
}

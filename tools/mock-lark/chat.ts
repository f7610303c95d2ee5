import { randomBytes } from 'node:crypto';
import { callbackButtons, decides, inputsOf, readCard, type CallbackButton, type Card } from './cards.ts';
import { sendCallback, type AppSecrets, type CallbackResult } from './callback.ts';

export const MODES = ['approve', 'approve-once', 'reject', 'ignore'] as const;
/** What the person at the other end does with a card that asks; `approve-once`: approves the next one and rejects the others. */
export type Mode = (typeof MODES)[number];

export type Message = {
	messageId: string;
	chatId: string;
	type: 'text' | 'interactive';
	createdAt: string;
	text?: string;
	/** The card as it is shown now, and the earlier ones. */
	card?: Card;
	earlierCards: Card[];
	callbacks: CallbackResult[];
	/** The sender's key against posting twice. */
	uuid?: string;
};

/** What is wrong with this Lark, where something is. */
export type Faults = {
	/** So long its API takes for each answer. */
	slowMs: number;
	/** Its API answers 503. */
	down: boolean;
	/** So long the person takes. */
	lateMs: number;
	/** How often each callback is delivered, with the same event id. */
	copies: number;
};

/** Long enough for the sender to have recorded that the card was sent. */
const ANSWER_AFTER_MS = 50;
export const NO_FAULTS: Faults = { slowMs: 0, down: false, lateMs: ANSWER_AFTER_MS, copies: 1 };

/** The person who answers, and where the answers go. */
export type Behaviour = { mode: Mode; callbackUrl: string; operator: string; faults?: Partial<Faults> };

const MAX_MESSAGES = 500;

/** The chats of the fake Lark: what was posted, and the person who presses buttons. */
export class Chat {
	messages: Message[] = [];
	behaviour: Behaviour;
	#secrets: AppSecrets;

	constructor(behaviour: Behaviour, secrets: AppSecrets) {
		this.behaviour = behaviour;
		this.#secrets = secrets;
	}

	get faults(): Faults {
		return { ...NO_FAULTS, ...this.behaviour.faults };
	}

	/** Forgets all messages; an answer under way to one of them isn't sent. */
	clear(): void {
		this.messages = [];
	}

	/** Posts a message; the same `uuid` again answers the message that is there. A card that asks is answered as the mode says. */
	post(chatId: string, content: { text: string } | { card: Card }, uuid?: string): Message {
		const known = uuid && this.messages.find((message) => message.uuid === uuid);
		if (known) return known;
		const message: Message = {
			messageId: `om_${randomBytes(16).toString('hex')}`,
			chatId,
			type: 'card' in content ? 'interactive' : 'text',
			createdAt: new Date().toISOString(),
			...content,
			earlierCards: [],
			callbacks: [],
			...(uuid && { uuid }),
		};
		this.messages.push(message);
		if (this.messages.length > MAX_MESSAGES) this.messages.shift();
		if (message.card && this.behaviour.mode !== 'ignore') {
			const decision = this.behaviour.mode === 'reject' ? 'reject' : 'approve';
			const button = callbackButtons(message.card).find(({ value }) => decides(value, decision));
			if (button && this.behaviour.mode === 'approve-once') this.behaviour = { ...this.behaviour, mode: 'reject' };
			if (button) setTimeout(() => void this.press(message, button), this.faults.lateMs).unref();
		}
		return message;
	}

	/** Shows another card in the place of the one that is shown. */
	update(message: Message, card: Card): void {
		if (message.card) message.earlierCards.push(message.card);
		message.card = card;
	}

	/**
	 * Presses a button, and shows the card that the app answers with, if any.
	 * @param typed what was typed into the card's inputs, by name
	 */
	async press(
		message: Message,
		{ value, name, isSubmit }: CallbackButton,
		typed: Record<string, string> = {},
	): Promise<CallbackResult | undefined> {
		if (!this.messages.includes(message)) return undefined;
		const { callbackUrl, operator } = this.behaviour;
		const { messageId, chatId } = message;
		const formValue = isSubmit && message.card ? { ...inputsOf(message.card), ...typed } : undefined;
		const click = { messageId, chatId, operator, value, ...(name && { name }), ...(formValue && { formValue }) };
		const result = await sendCallback(callbackUrl, click, this.#secrets);
		message.callbacks.push(result);
		for (let copy = 1; copy < this.faults.copies; copy++)
			message.callbacks.push(await sendCallback(callbackUrl, click, this.#secrets, result.eventId));
		const answered = (result.response as { card?: { type?: string; data?: unknown } } | undefined)?.card;
		if (!result.error && answered) {
			try {
				this.update(message, readCard(JSON.stringify(answered.data)));
			} catch (error) {
				result.error = `the card in the answer is refused: ${(error as Error).message}`;
			}
		}
		return result;
	}
}

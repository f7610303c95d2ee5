import type { ServerResponse } from 'node:http';
import type { Downstream, JsonObject } from '../../domain.ts';
import type { Accepts } from '../accept.ts';
import type { PostAnswer } from '../exchange.ts';
import { isWanted } from '../log-levels.ts';
import { isObject } from '../../json-object.ts';
import { withoutOwnMeta } from '../message.ts';
import type { Session } from './session.ts';
import type { EventStream } from './streams.ts';

/**
 * The answer to one POST: JSON when the result comes first and soon; a stream of events once a notification of the call arrives before
 * its result, or after `streamAfterMs`, where the agent accepts one.
 */
export class Reply implements Downstream {
	readonly #session: Session;
	readonly #openStream: () => ServerResponse;
	readonly #accepts: Accepts;
	readonly #timer: NodeJS.Timeout | undefined;
	#stream: EventStream | undefined;
	#isDone = false;
	#abort: AbortController | undefined;
	#isCancelled = false;
	#cancelReason: string | undefined;
	/** Absent where the agent takes no events: there is no way to ask it. */
	readonly request: Downstream['request'];
	/** Called when the agent cancels. */
	onCancel: (() => void) | undefined;

	constructor(
		session: Session,
		{ accepts, streamAfterMs, openStream }: { accepts: Accepts; streamAfterMs: number; openStream: () => ServerResponse },
	) {
		this.#session = session;
		this.#accepts = accepts;
		this.#openStream = openStream;
		if (!accepts.events) return;
		this.request = (message, signal) => session.questions.ask(message, signal, (question) => this.#send(question));
		if (!accepts.json) this.#begin();
		else this.#timer = setTimeout(() => this.#begin(), streamAfterMs);
	}

	get clientCapabilities(): JsonObject {
		return this.#session.introduction.capabilities;
	}

	/** Made when somebody asks for it: most requests are answered before anyone does. */
	get cancelled(): AbortSignal {
		this.#abort ??= new AbortController();
		if (this.#isCancelled) this.#abort.abort(this.#cancelReason);
		return this.#abort.signal;
	}

	/** @param reason as the agent says it, for the upstream */
	cancel(reason?: string): void {
		this.#isCancelled = true;
		this.#cancelReason = reason;
		this.#abort?.abort(reason);
		this.onCancel?.();
	}

	notify(message: JsonObject): void {
		if (!this.#accepts.events) return;
		const { method, params } = message;
		if (method === 'notifications/message' && !isWanted((params as JsonObject | undefined)?.['level'], this.#session.logLevel)) return;
		this.#send(isObject(params) ? { ...message, params: withoutOwnMeta(params) } : message);
	}

	/** On the stream of this POST; what comes after the response, or after the agent gave it up, goes nowhere. */
	#send(message: JsonObject): void {
		if (!this.#isDone && !this.#isCancelled) this.#begin().send(message);
	}

	/** The one end. `undefined`: the agent cancelled, and gets no response. */
	finish(message: JsonObject | undefined): PostAnswer {
		this.#isDone = true;
		clearTimeout(this.#timer);
		if (this.#stream === undefined) return message === undefined ? { status: 202 } : { status: 200, body: message };
		if (message !== undefined) this.#stream.send(message);
		this.#stream.end();
		return 'streamed';
	}

	#begin(): EventStream {
		if (this.#stream === undefined) {
			this.#stream = this.#session.newStream();
			this.#stream.connect(this.#openStream());
		}
		return this.#stream;
	}
}

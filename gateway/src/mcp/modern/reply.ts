import type { ServerResponse } from 'node:http';
import type { Downstream, JsonObject } from '../../domain.ts';
import { isObject } from '../../json-object.ts';
import type { Accepts } from '../accept.ts';
import type { HttpAnswer, PostAnswer } from '../exchange.ts';
import { isWanted } from '../log-levels.ts';
import { withoutOwnMeta } from '../message.ts';
import type { Envelope } from './envelope.ts';
import type { ModernStream, ModernStreams } from './event-streams.ts';

export interface ReplyOptions {
	readonly envelope: Envelope;
	readonly accepts: Accepts;
	readonly streams: ModernStreams;
	/** How long an answer may take before it becomes a stream. */
	readonly streamAfterMs: number;
	openStream(): ServerResponse;
}

/**
 * The answer to one POST: JSON when the result comes first and soon, else a stream of events, where the agent accepts one. Upstreams ask
 * this agent by their results alone, so it has no `request`.
 */
export class ModernReply implements Downstream {
	readonly #options: ReplyOptions;
	readonly #timer: NodeJS.Timeout | undefined;
	#stream: ModernStream | undefined;
	#isDone = false;
	readonly #abort = new AbortController();

	constructor(options: ReplyOptions) {
		this.#options = options;
		const { events, json } = options.accepts;
		if (!events) return;
		if (!json) this.#begin();
		else this.#timer = setTimeout(() => this.#begin(), options.streamAfterMs);
	}

	get clientCapabilities(): JsonObject {
		return this.#options.envelope.capabilities;
	}

	get cancelled(): AbortSignal {
		return this.#abort.signal;
	}

	/** The agent closed the response: in this era that is how it cancels. */
	cancel(): void {
		clearTimeout(this.#timer);
		if (!this.#isDone) this.#abort.abort('the agent closed the response');
	}

	notify(message: JsonObject): void {
		const { accepts, envelope } = this.#options;
		if (!accepts.events || this.#isDone || this.#abort.signal.aborted) return;
		const { method } = message;
		const params = isObject(message['params']) ? message['params'] : {};
		if (method === 'notifications/message' && (envelope.logLevel === undefined || !isWanted(params['level'], envelope.logLevel))) return;
		this.#begin().send('params' in message ? { ...message, params: withoutOwnMeta(params) } : message);
	}

	/** The one end. */
	finish(answer: HttpAnswer): PostAnswer {
		this.#isDone = true;
		clearTimeout(this.#timer);
		if (this.#stream === undefined) return answer;
		if (answer.body !== undefined) this.#stream.send(answer.body);
		this.#stream.end();
		return 'streamed';
	}

	#begin(): ModernStream {
		return (this.#stream ??= this.#options.streams.open(this.#options.openStream()));
	}
}

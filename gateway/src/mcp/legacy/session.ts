import { randomBytes } from 'node:crypto';
import type { Caller, JsonObject } from '../../domain.ts';
import type { AgentSession, KeptWishes } from '../exchange.ts';
import type { RequestId } from '../message.ts';
import type { Introduction } from './initialize.ts';
import { Questions } from './questions.ts';
import { EventStream, type Streams } from './streams.ts';
import { hasPrimingEvent, type LegacyVersion } from './versions.ts';

const ID_BYTES = 24; // 192 random bits

export interface SessionOptions {
	/** Of a session that outlived its process; else there will be a new one. */
	readonly id?: string;
	readonly principalId: string;
	readonly upstream: string | undefined;
	readonly introduction: Introduction;
	readonly createdMs: number;
	readonly offers?: JsonObject;
	readonly wishes?: KeptWishes;
}

/** One agent's session: bound to the principal and the path that began it. */
export class Session implements AgentSession {
	readonly id: string;
	readonly principalId: string;
	readonly upstream: string | undefined;
	readonly introduction: Introduction;
	readonly createdMs: number;
	usedMs: number;
	/** Requests under way, by id: how a cancellation finds its call. */
	readonly underWay = new Map<RequestId, { cancel(reason?: string): void }>();
	/** What upstreams ask the agent inside its calls. */
	readonly questions = new Questions();
	/** Resources whose changes it wants to hear of, by the URIs that it uses. */
	readonly subscriptions: Set<string>;
	/** Who used it last. */
	caller: Caller | undefined;
	/** What its `initialize` was answered with. */
	offers: JsonObject;
	/** The least level of log messages the agent wants; undefined: all. */
	logLevel: string | undefined;
	readonly #streams: Streams;
	readonly #resumable = new Map<number, EventStream>();
	#nextStream = 1;
	/** The stream of the GET. */
	#standing: EventStream | undefined;

	constructor({ id, principalId, upstream, introduction, createdMs, offers, wishes }: SessionOptions, streams: Streams) {
		this.id = id ?? randomBytes(ID_BYTES).toString('base64url');
		this.principalId = principalId;
		this.upstream = upstream;
		this.introduction = introduction;
		this.createdMs = createdMs;
		this.usedMs = streams.nowMs();
		this.offers = offers ?? {};
		this.subscriptions = new Set(wishes?.subscriptions);
		this.logLevel = wishes?.logLevel;
		this.#streams = streams;
		// Ids of events that the agent remembers from before belong to no stream of this process.
		if (id !== undefined) this.#nextStream = Math.floor(streams.nowMs() / 1000);
	}

	get version(): LegacyVersion {
		return this.introduction.version;
	}

	/** Something is open: it isn't idle. */
	get isBusy(): boolean {
		return this.underWay.size > 0 || this.#standing?.isConnected === true;
	}

	/** The stream that a GET reads; a second GET takes the place of the first. */
	stand(): EventStream {
		if (this.#standing !== undefined) this.#drop(this.#standing);
		this.#standing = this.newStream();
		return this.#standing;
	}

	get standing(): EventStream | undefined {
		return this.#standing;
	}

	newStream(): EventStream {
		const stream = new EventStream(this.#nextStream++, this.#streams, hasPrimingEvent(this.version));
		for (const [number, old] of this.#resumable) if (!this.#streams.has(old)) this.#resumable.delete(number);
		this.#resumable.set(stream.number, stream);
		return stream;
	}

	/** The stream with this number, of this session only. */
	streamNumbered(number: number): EventStream | undefined {
		const stream = this.#resumable.get(number);
		return stream !== undefined && this.#streams.has(stream) ? stream : undefined;
	}

	/** Ends every stream. Calls under way go on: ending a session is not cancelling. */
	close(): void {
		this.questions.close();
		for (const stream of this.#resumable.values()) this.#drop(stream);
	}

	#drop(stream: EventStream): void {
		this.#streams.remove(stream);
		this.#resumable.delete(stream.number);
	}
}

import { randomBytes } from 'node:crypto';
import type { Caller, JsonObject } from '../../domain.ts';
import type { AgentSession } from '../exchange.ts';
import type { RequestId } from '../message.ts';
import type { Introduction } from './initialize.ts';
import { Questions } from './questions.ts';
import { EventStream, type Streams } from './streams.ts';
import { hasPrimingEvent, type LegacyVersion } from './versions.ts';

const ID_BYTES = 24; // 192 random bits

/** One agent's session: bound to the principal and the path that began it. */
export class Session implements AgentSession {
	readonly id = randomBytes(ID_BYTES).toString('base64url');
	readonly principalId: string;
	readonly upstream: string | undefined;
	readonly introduction: Introduction;
	readonly createdMs: number;
	usedMs: number;
	/** Requests under way, by id: how a cancellation finds its call. */
	readonly underWay = new Map<RequestId, { cancel(): void }>();
	/** What upstreams ask the agent inside its calls. */
	readonly questions = new Questions();
	/** Resources whose changes it wants to hear of, by the URIs that it uses, with who asked. */
	readonly subscriptions = new Map<string, Caller>();
	/** What its `initialize` was answered with. */
	offers: JsonObject = {};
	/** The least level of log messages the agent wants; undefined: all. */
	logLevel: string | undefined;
	readonly #streams: Streams;
	readonly #resumable = new Map<number, EventStream>();
	#nextStream = 1;
	/** The stream of the GET. */
	#standing: EventStream | undefined;

	constructor(principalId: string, upstream: string | undefined, introduction: Introduction, streams: Streams, nowMs: number) {
		this.principalId = principalId;
		this.upstream = upstream;
		this.introduction = introduction;
		this.createdMs = nowMs;
		this.usedMs = nowMs;
		this.#streams = streams;
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

export interface SessionLimits {
	readonly total: number;
	readonly perPrincipal: number;
	readonly idleMs: number;
	readonly ageMs: number;
}

/** The sessions of this process, the longest unused first. */
export class Sessions {
	readonly #limits: SessionLimits;
	readonly #streams: Streams;
	readonly #onEnd: (session: Session) => void;
	readonly #nowMs: () => number;
	readonly #all = new Map<string, Session>();
	readonly #byPrincipal = new Map<string, Map<string, Session>>();

	constructor({ limits, streams, onEnd, nowMs }: { limits: SessionLimits; streams: Streams; onEnd: (session: Session) => void; nowMs: () => number }) {
		this.#limits = limits;
		this.#streams = streams;
		this.#onEnd = onEnd;
		this.#nowMs = nowMs;
	}

	get size(): number {
		return this.#all.size;
	}

	/** Begins a session; where there are too many, the longest idle one makes room. */
	begin(principalId: string, upstream: string | undefined, introduction: Introduction): Session {
		const own = this.#byPrincipal.get(principalId);
		if (own !== undefined && own.size >= this.#limits.perPrincipal) this.end(longestIdle(own));
		if (this.#all.size >= this.#limits.total) this.end(longestIdle(this.#all));
		const session = new Session(principalId, upstream, introduction, this.#streams, this.#nowMs());
		this.#put(session);
		return session;
	}

	/** The session with this id, whoever asks. */
	get(id: string): Session | undefined {
		return this.#all.get(id);
	}

	/** The session, used now; undefined when there is none, it has expired, or it is another principal's or another path's. */
	find(id: string, principalId: string, upstream: string | undefined): Session | undefined {
		const session = this.#all.get(id);
		if (session === undefined || session.principalId !== principalId || session.upstream !== upstream) return undefined;
		if (this.#isExpired(session, this.#nowMs())) {
			this.end(session);
			return undefined;
		}
		this.touch(session);
		return session;
	}

	/** Marks the session as used now, unless it has ended. */
	touch(session: Session): void {
		if (!this.#all.has(session.id)) return;
		session.usedMs = this.#nowMs();
		this.#remove(session);
		this.#put(session);
	}

	end(session: Session): void {
		if (!this.#remove(session)) return;
		session.close();
		this.#onEnd(session);
	}

	/** Ends what has expired. */
	sweep(): void {
		const now = this.#nowMs();
		for (const session of this.#all.values()) if (this.#isExpired(session, now)) this.end(session);
	}

	[Symbol.iterator](): IterableIterator<Session> {
		return this.#all.values();
	}

	#isExpired(session: Session, nowMs: number): boolean {
		if (nowMs - session.createdMs >= this.#limits.ageMs) return true;
		return !session.isBusy && nowMs - session.usedMs >= this.#limits.idleMs;
	}

	/** At the end of both maps: they are kept in the order of use. */
	#put(session: Session): void {
		this.#all.set(session.id, session);
		let own = this.#byPrincipal.get(session.principalId);
		if (own === undefined) {
			own = new Map();
			this.#byPrincipal.set(session.principalId, own);
		}
		own.set(session.id, session);
	}

	#remove(session: Session): boolean {
		const own = this.#byPrincipal.get(session.principalId);
		own?.delete(session.id);
		if (own?.size === 0) this.#byPrincipal.delete(session.principalId);
		return this.#all.delete(session.id);
	}
}

function longestIdle(sessions: ReadonlyMap<string, Session>): Session {
	let first: Session | undefined;
	for (const session of sessions.values()) {
		if (!session.isBusy) return session;
		first ??= session;
	}
	return first as Session;
}

import type { JsonObject } from '../../domain.ts';
import type { KeptWishes } from '../exchange.ts';
import { type Introduction, readIntroduction } from './initialize.ts';
import { Session } from './session.ts';
import type { SessionStore } from './session-store.ts';
import type { Streams } from './streams.ts';

export interface SessionLimits {
	readonly total: number;
	readonly perPrincipal: number;
	readonly idleMs: number;
	readonly ageMs: number;
}

export interface SessionsOptions {
	readonly limits: SessionLimits;
	readonly streams: Streams;
	readonly store: SessionStore;
	/** One that another process began is used here. */
	readonly onRestored: (session: Session, params: JsonObject, wishes: KeptWishes) => void;
	/** One is over, here at least. */
	readonly onEnd: (session: Session) => void;
	/** The store could not do what nobody waits for. */
	readonly onFault: (error: unknown) => void;
	readonly nowMs: () => number;
}

/** Ids look like this; anything else is no session's. */
const ID = /^[\w-]{32}$/;

/** The sessions that are used in this process, the longest unused first. The store has those of all processes. */
export class Sessions {
	readonly #options: SessionsOptions;
	readonly #all = new Map<string, Session>();
	readonly #byPrincipal = new Map<string, Map<string, Session>>();
	readonly #restoring = new Map<string, Promise<Session | undefined>>();
	readonly #listening: Promise<() => Promise<void>>;
	#sweptMs: number;

	constructor(options: SessionsOptions) {
		this.#options = options;
		this.#sweptMs = options.nowMs();
		this.#listening = options.store.onEnd((id) => this.#forget(this.#all.get(id)));
		this.#listening.catch(options.onFault);
	}

	get size(): number {
		return this.#all.size;
	}

	/** Begins a session; where there are too many, the longest idle one makes room. */
	begin(principalId: string, upstream: string | undefined, introduction: Introduction): Session {
		const { limits, streams, nowMs } = this.#options;
		const own = this.#byPrincipal.get(principalId);
		if (own !== undefined && own.size >= limits.perPrincipal) this.end(longestIdle(own));
		if (this.#all.size >= limits.total) this.#forget(longestIdle(this.#all));
		const session = new Session({ principalId, upstream, introduction, createdMs: nowMs() }, streams);
		this.#put(session);
		return session;
	}

	/** Makes the session outlive this process. Without its store it does not, and is as good as any otherwise. */
	async keep({ id, principalId, upstream, offers }: Session, { protocolVersion, capabilities, clientInfo }: JsonObject): Promise<void> {
		const { store, limits, onFault } = this.#options;
		const params: JsonObject = {
			protocolVersion: protocolVersion!,
			...(capabilities === undefined ? {} : { capabilities }),
			...(clientInfo === undefined ? {} : { clientInfo }),
		};
		await store.add({ id, principalId, upstream, params, offers }, limits.perPrincipal).catch(onFault);
	}

	/** From now on it hears log messages of this level, also in another process. */
	async setLogLevel(session: Session, level: string): Promise<void> {
		session.logLevel = level;
		await this.#options.store.setLogLevel(session.id, level).catch(this.#options.onFault);
	}

	/** From now on it hears of changes of this resource, also in another process. */
	async subscribe(session: Session, uri: string): Promise<void> {
		session.subscriptions.add(uri);
		await this.#options.store.addSubscription(session.id, uri).catch(this.#options.onFault);
	}

	/** False where it had not subscribed. */
	async unsubscribe(session: Session, uri: string): Promise<boolean> {
		if (!session.subscriptions.delete(uri)) return false;
		await this.#options.store.removeSubscription(session.id, uri).catch(this.#options.onFault);
		return true;
	}

	/**
	 * The session, used now; undefined when there is none, it has expired, or it is another principal's or another path's.
	 * @throws {StoreUnavailable} it is not known here, and nobody can say.
	 */
	async find(id: string, principalId: string, upstream: string | undefined): Promise<Session | undefined> {
		const known = this.#all.get(id);
		if (known !== undefined && (known.principalId !== principalId || known.upstream !== upstream)) return undefined;
		// Unused here for too long says nothing of other replicas.
		if (known !== undefined && this.#isExpired(known)) this.#forget(known);
		const session = this.#all.get(id) ?? (await this.#restore(id, principalId, upstream));
		if (session !== undefined) this.touch(session);
		return session;
	}

	/** The session with this id, whoever asks. */
	get(id: string): Session | undefined {
		return this.#all.get(id);
	}

	/** Marks the session as used now, unless it has ended. */
	touch(session: Session): void {
		if (!this.#all.has(session.id)) return;
		session.usedMs = this.#options.nowMs();
		this.#remove(session);
		this.#put(session);
	}

	/** Ends the session everywhere. */
	end(session: Session): void {
		this.#forget(session);
		this.#options.store.end(session.id).catch(this.#options.onFault);
	}

	/** Forgets what has expired, and tells the store what was used since the last time. @throws {StoreUnavailable} */
	async sweep(): Promise<void> {
		const { store, nowMs } = this.#options;
		const since = this.#sweptMs;
		this.#sweptMs = nowMs();
		const used: string[] = [];
		for (const session of this.#all.values()) {
			if (this.#isExpired(session)) this.#forget(session);
			else if (session.isBusy || session.usedMs >= since) used.push(session.id);
		}
		await store.used(used);
		await store.prune();
	}

	/** Keeps what is known for the next start. @throws {StoreUnavailable} */
	async close(): Promise<void> {
		await this.sweep();
		await (await this.#listening)();
	}

	[Symbol.iterator](): IterableIterator<Session> {
		return this.#all.values();
	}

	/** Looks whether another process knows the session; requests at the same time share one look. */
	async #restore(id: string, principalId: string, upstream: string | undefined): Promise<Session | undefined> {
		if (!ID.test(id)) return undefined;
		const key = JSON.stringify([id, principalId, upstream]);
		const looking = this.#restoring.get(key) ?? this.#load(id, principalId, upstream).finally(() => this.#restoring.delete(key));
		this.#restoring.set(key, looking);
		return looking;
	}

	async #load(id: string, principalId: string, upstream: string | undefined): Promise<Session | undefined> {
		const { store, streams, limits, onRestored } = this.#options;
		const found = await store.find(id, principalId, upstream);
		if (found === undefined) return undefined;
		const { params, offers, createdMs, wishes } = found;
		const introduction = readIntroduction(params);
		const session = new Session({ id, principalId, upstream, introduction, createdMs, offers, wishes }, streams);
		const own = this.#byPrincipal.get(principalId);
		if (own !== undefined && own.size >= limits.perPrincipal) this.#forget(longestIdle(own));
		if (this.#all.size >= limits.total) this.#forget(longestIdle(this.#all));
		this.#put(session);
		onRestored(session, params, wishes);
		return session;
	}

	#isExpired(session: Session): boolean {
		const { limits, nowMs } = this.#options;
		if (nowMs() - session.createdMs >= limits.ageMs) return true;
		return !session.isBusy && nowMs() - session.usedMs >= limits.idleMs;
	}

	/** It may go on elsewhere. */
	#forget(session: Session | undefined): void {
		if (session === undefined || !this.#remove(session)) return;
		session.close();
		this.#options.onEnd(session);
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

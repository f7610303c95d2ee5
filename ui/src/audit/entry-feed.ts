import { ApiError, get } from '../api/http.ts';
import type { Entry, EntryPage, TrailEvent } from '../api/trail.ts';
import { lookAgain } from '../shell/session.ts';
import { setClock } from '../text/clock.ts';

/** What the list shows of one filter. */
export interface FeedState {
	/** Newest first, as they were when they were asked for: nothing comes between them by itself. */
	readonly entries: readonly Entry[];
	readonly progress: 'loading' | 'ready' | 'failed';
	/** Why the filter or the request was refused, in the gateway's words. */
	readonly problem?: string;
	/** There may be older ones. */
	readonly hasMore: boolean;
	readonly isLoadingMore: boolean;
	/** How many have come since, and wait to be shown. */
	readonly fresh: number;
	readonly link: 'off' | 'connecting' | 'live' | 'lost';
}

export const PAGE = 100;
/** Beyond that nobody counts on: the stream rests until they are shown. */
export const MAX_FRESH = 1_000;
const TELL_EVERY_MS = 200;
const MAX_REFRESHED = 20;

export const keyOf = ({ callId, stream, sequence }: Pick<Entry, 'callId' | 'stream' | 'sequence'>): string =>
	callId ?? `${stream}/${sequence}`;

/**
 * The entries of one filter: pages as they are wanted, and the news of the trail's stream. What is new waits until it is asked for; an entry that is
 * shown already is brought up to date where it stands.
 */
export class EntryFeed {
	readonly query: string;
	#state: FeedState = { entries: [], progress: 'loading', hasMore: false, isLoadingMore: false, fresh: 0, link: 'off' };
	#next: string | undefined;
	#shown = new Set<string>();
	#fresh = new Set<string>();
	#touched = new Set<string>();
	#source: EventSource | undefined;
	#timer: ReturnType<typeof setTimeout> | undefined;
	#listeners = new Set<() => void>();
	/** Counts first pages: an answer to an earlier question is dropped. */
	#round = 0;

	/** @param query of the API */
	constructor(query: string) {
		this.query = query;
	}

	get state(): FeedState {
		return this.#state;
	}

	subscribe = (listener: () => void): (() => void) => {
		this.#listeners.add(listener);
		return () => this.#listeners.delete(listener);
	};

	/** The newest page in place of everything; what waited is among it. */
	async reload(): Promise<void> {
		const round = ++this.#round;
		try {
			const page = await this.#page();
			if (round !== this.#round) return;
			this.#shown.clear();
			this.#fresh.clear();
			this.#next = page.next;
			const entries = this.#unseen(page.entries);
			this.#become({ entries, progress: 'ready', hasMore: page.next !== undefined, isLoadingMore: false, fresh: 0 });
			// It rests since too many waited.
			if (this.#source?.readyState === EventSource.CLOSED) this.follow();
		} catch (error) {
			if (round === this.#round) this.#fail(error);
		}
	}

	async loadMore(): Promise<void> {
		if (this.#state.isLoadingMore || this.#next === undefined) return;
		const round = this.#round;
		this.#become({ isLoadingMore: true });
		try {
			const page = await this.#page(`&cursor=${encodeURIComponent(this.#next)}`);
			if (round !== this.#round) return;
			this.#next = page.next;
			const entries = [...this.#state.entries, ...this.#unseen(page.entries)];
			this.#become({ entries, hasMore: page.next !== undefined, isLoadingMore: false });
		} catch (error) {
			if (round === this.#round) this.#fail(error);
		}
	}

	/** Hears of new events. */
	follow(): void {
		this.#source?.close();
		const source = new EventSource(`/api/audit/tail?${this.query}`);
		this.#source = source;
		this.#become({ link: 'connecting' });
		source.addEventListener('open', () => {
			this.#become({ link: 'live' });
			if (this.#state.progress === 'ready') void this.#catchUp();
		});
		source.addEventListener('message', ({ data }: MessageEvent<string>) => this.#hear(JSON.parse(data) as TrailEvent));
		source.addEventListener('error', () => {
			this.#become({ link: 'lost' });
			// The browser tries again by itself, except when it was refused: then the session has ended, or the filter is wrong.
			if (source.readyState === EventSource.CLOSED) void lookAgain();
		});
	}

	unfollow(): void {
		this.#source?.close();
		this.#source = undefined;
		clearTimeout(this.#timer);
		this.#timer = undefined;
		this.#become({ link: 'off' });
	}

	#hear(event: TrailEvent): void {
		const key = keyOf(event);
		(this.#shown.has(key) ? this.#touched : this.#fresh).add(key);
		if (this.#fresh.size >= MAX_FRESH) this.#source?.close();
		this.#timer ??= setTimeout(() => {
			this.#timer = undefined;
			this.#become({ fresh: this.#fresh.size });
			void this.#refresh();
		}, TELL_EVERY_MS);
	}

	/** Between the first page and the stream, or while the stream was lost, something may have come. */
	async #catchUp(): Promise<void> {
		const page = await this.#page().catch(() => undefined);
		for (const entry of page?.entries ?? []) {
			const newest = this.#state.entries[0];
			const key = keyOf(entry);
			if (!this.#shown.has(key) && (newest === undefined || entry.timeMs >= newest.timeMs)) this.#fresh.add(key);
		}
		if (this.#fresh.size !== this.#state.fresh) this.#become({ fresh: this.#fresh.size });
	}

	async #refresh(): Promise<void> {
		const callIds = [...this.#touched].slice(0, MAX_REFRESHED);
		this.#touched.clear();
		for (const callId of callIds) {
			const page = await get<EntryPage>(`/api/audit/entries?call=${encodeURIComponent(callId)}`).catch(() => undefined);
			const now = page?.entries[0];
			if (now !== undefined) this.#become({ entries: this.#state.entries.map((one) => (one.callId === callId ? now : one)) });
		}
	}

	async #page(more = ''): Promise<EntryPage> {
		const page = await get<EntryPage>(`/api/audit/entries?limit=${PAGE}${more}${this.query === '' ? '' : `&${this.query}`}`);
		setClock(page.nowMs);
		return page;
	}

	/** A call whose events lie on two pages stands where it was met first. */
	#unseen(entries: readonly Entry[]): Entry[] {
		return entries.filter((entry) => {
			const key = keyOf(entry);
			if (this.#shown.has(key)) return false;
			this.#shown.add(key);
			return true;
		});
	}

	#fail(error: unknown): void {
		if (error instanceof ApiError && error.status === 401) void lookAgain();
		this.#become({ progress: 'failed', isLoadingMore: false, problem: (error as Error).message });
	}

	#become(next: Partial<FeedState>): void {
		this.#state = { ...this.#state, ...next };
		for (const listener of this.#listeners) listener();
	}
}

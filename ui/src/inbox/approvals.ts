import { useSyncExternalStore } from 'react';
import { ApiError, get, post } from '../api/http.ts';
import type { Approval } from '../api/types.ts';
import { lookAgain } from '../shell/session.ts';
import { setClock } from '../text/clock.ts';

/** Every approval that this page has heard of, kept as it stands by the gateway's stream. */
export interface Known {
	readonly byId: ReadonlyMap<string, Approval>;
	/** Ids that were asked for and that nobody knows. */
	readonly unknown: ReadonlySet<string>;
	/** `live` when the open ones are complete; the decided ones come when they are looked at. */
	readonly link: 'connecting' | 'live' | 'lost';
	readonly areEndedComplete: boolean;
}

let known: Known = { byId: new Map(), unknown: new Set(), link: 'connecting', areEndedComplete: false };
const listeners = new Set<() => void>();
const RETRY_MS = 3_000;

function become(next: Partial<Known>): void {
	known = { ...known, ...next };
	for (const listener of listeners) listener();
}

/** How many times the stream has told something, and which time was the last for each approval. */
let told = 0;
const toldOf = new Map<string, number>();

const put = (approvals: readonly Approval[]): void =>
	become({ byId: new Map([...known.byId, ...approvals.map((one) => [one.id, one] as const)]) });

const putTold = (approvals: readonly Approval[]): void => {
	told++;
	for (const { id } of approvals) toldOf.set(id, told);
	put(approvals);
};

/** What a request answered: where the stream has spoken since it was sent, the answer may be older than that, and the stream tells all that follows. */
const putAnswered = (approvals: readonly Approval[], sentAt: number): void =>
	put(approvals.filter(({ id }) => (toldOf.get(id) ?? 0) <= sentAt));

export const isOpen = ({ state }: Approval): boolean => ['pending', 'approved', 'dispatched', 'outcome_unknown'].includes(state);

/** A person has to say something. */
export const isWaiting = ({ state }: Approval): boolean => state === 'pending' || state === 'outcome_unknown';

/** @returns how to stop */
export function follow(): () => void {
	let source: EventSource;
	let retry: ReturnType<typeof setTimeout> | undefined;
	const open = (): void => {
		source = new EventSource('/api/approvals/stream');
		source.addEventListener('snapshot', (event) => {
			const { nowMs, approvals } = JSON.parse((event as MessageEvent<string>).data) as { nowMs: number; approvals: Approval[] };
			setClock(nowMs);
			const open = new Set(approvals.map(({ id }) => id));
			const endedUnseen = [...known.byId.values()].filter((one) => isOpen(one) && !open.has(one.id));
			putTold(approvals);
			become({ link: 'live' });
			for (const { id } of endedUnseen) void load(id);
		});
		source.addEventListener('changed', (event) => putTold([JSON.parse((event as MessageEvent<string>).data) as Approval]));
		source.addEventListener('error', () => {
			become({ link: 'lost' });
			if (source.readyState !== EventSource.CLOSED) return;
			// The browser tries again by itself, except when it was refused: the session has ended, or the gateway can't answer just now.
			void lookAgain();
			retry = setTimeout(open, RETRY_MS);
		});
	};
	open();
	return () => {
		clearTimeout(retry);
		source.close();
	};
}

export async function load(id: string): Promise<void> {
	const sentAt = told;
	try {
		putAnswered([await get<Approval>(`/api/approvals/${encodeURIComponent(id)}`)], sentAt);
	} catch (error) {
		if (error instanceof ApiError && error.status === 404) become({ unknown: new Set([...known.unknown, id]) });
	}
}

export async function loadEnded(): Promise<void> {
	const sentAt = told;
	const { approvals } = await get<{ approvals: Approval[] }>('/api/approvals?state=all');
	putAnswered(approvals, sentAt);
	become({ areEndedComplete: true });
}

export type Act =
	| { readonly act: 'approve' | 'reject' | 'withdraw'; readonly reason?: string }
	| { readonly act: 'resolve'; readonly ran: boolean };

/** @throws {ApiError} it was refused, in the gateway's words; the approval as it stands now is loaded then too. */
export async function perform(id: string, wish: Act): Promise<void> {
	const { act, ...body } = wish;
	const sentAt = told;
	try {
		putAnswered([await post<Approval>(`/api/approvals/${encodeURIComponent(id)}/${act}`, body)], sentAt);
	} catch (error) {
		if (error instanceof ApiError && error.status === 401) void lookAgain();
		else void load(id);
		throw error;
	}
}

function subscribe(listener: () => void): () => void {
	listeners.add(listener);
	return () => listeners.delete(listener);
}

export const useKnown = (): Known => useSyncExternalStore(subscribe, () => known);

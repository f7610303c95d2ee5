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

function become(next: Partial<Known>): void {
	known = { ...known, ...next };
	for (const listener of listeners) listener();
}

const put = (approvals: readonly Approval[]): void =>
	become({ byId: new Map([...known.byId, ...approvals.map((one) => [one.id, one] as const)]) });

export const isOpen = ({ state }: Approval): boolean => ['pending', 'approved', 'dispatched', 'outcome_unknown'].includes(state);

/** A person has to say something. */
export const isWaiting = ({ state }: Approval): boolean => state === 'pending' || state === 'outcome_unknown';

/** @returns how to stop */
export function follow(): () => void {
	const source = new EventSource('/api/approvals/stream');
	source.addEventListener('snapshot', (event) => {
		const { nowMs, approvals } = JSON.parse((event as MessageEvent<string>).data) as { nowMs: number; approvals: Approval[] };
		setClock(nowMs);
		const open = new Set(approvals.map(({ id }) => id));
		const endedUnseen = [...known.byId.values()].filter((one) => isOpen(one) && !open.has(one.id));
		put(approvals);
		become({ link: 'live' });
		for (const { id } of endedUnseen) void load(id);
	});
	source.addEventListener('changed', (event) => put([JSON.parse((event as MessageEvent<string>).data) as Approval]));
	source.addEventListener('error', () => {
		become({ link: 'lost' });
		// The browser tries again by itself, except when it was refused: then the session has ended.
		if (source.readyState === EventSource.CLOSED) void lookAgain();
	});
	return () => source.close();
}

export async function load(id: string): Promise<void> {
	try {
		put([await get<Approval>(`/api/approvals/${encodeURIComponent(id)}`)]);
	} catch (error) {
		if (error instanceof ApiError && error.status === 404) become({ unknown: new Set([...known.unknown, id]) });
	}
}

export async function loadEnded(): Promise<void> {
	const { approvals } = await get<{ approvals: Approval[] }>('/api/approvals?state=all');
	put(approvals);
	become({ areEndedComplete: true });
}

export type Act =
	| { readonly act: 'approve' | 'reject' | 'withdraw'; readonly reason?: string }
	| { readonly act: 'resolve'; readonly ran: boolean };

/** @throws {ApiError} it was refused, in the gateway's words; the approval as it stands now is loaded then too. */
export async function perform(id: string, wish: Act): Promise<void> {
	const { act, ...body } = wish;
	const before = known.byId.get(id);
	try {
		const answer = await post<Approval>(`/api/approvals/${encodeURIComponent(id)}/${act}`, body);
		// The stream may have been faster, and told what came after.
		const now = known.byId.get(id);
		if (now?.state === before?.state && (now?.votes.length ?? 0) <= answer.votes.length) put([answer]);
	} catch (error) {
		if (error instanceof ApiError && error.status === 401) void lookAgain();
		else void load(id);
		throw error;
	}
}

export function useKnown(): Known {
	return useSyncExternalStore(
		(listener) => {
			listeners.add(listener);
			return () => listeners.delete(listener);
		},
		() => known,
	);
}

import { useSyncExternalStore } from 'react';
import { ApiError, get, rememberCsrfToken, remove } from '../api/http.ts';
import type { Session } from '../api/types.ts';

/** Who is signed in, as the pages know it. */
export type SessionState =
	| { readonly kind: 'loading' }
	| { readonly kind: 'signed out' }
	| { readonly kind: 'unreachable'; readonly why: string }
	| { readonly kind: 'signed in'; readonly session: Session };

let state: SessionState = { kind: 'loading' };
const listeners = new Set<() => void>();

function become(next: SessionState): void {
	state = next;
	for (const listener of listeners) listener();
}

/** Asks the gateway who is signed in: at first, and whenever a request was refused for that reason. */
export async function lookAgain(): Promise<void> {
	try {
		const session = await get<Session>('/api/session');
		rememberCsrfToken(session.csrfToken);
		become({ kind: 'signed in', session });
	} catch (error) {
		if (error instanceof ApiError && error.status === 401) become({ kind: 'signed out' });
		// Whoever is signed in stays so while the gateway restarts.
		else if (state.kind !== 'signed in') become({ kind: 'unreachable', why: (error as Error).message });
	}
}

export async function signOut(): Promise<void> {
	await remove('/api/session').catch(() => undefined);
	become({ kind: 'signed out' });
}

export function useSession(): SessionState {
	return useSyncExternalStore(
		(listener) => {
			listeners.add(listener);
			return () => listeners.delete(listener);
		},
		() => state,
	);
}

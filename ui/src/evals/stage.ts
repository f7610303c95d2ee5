import { useEffect, useState, useSyncExternalStore } from 'react';
import type { PageView } from '../../../tools/eval-runner/serve/view.ts';
import { post } from '../api/http.ts';

/** What the eval runner tells, as this page knows it. */
export interface Known {
	/** Undefined until it has told something. */
	readonly view: PageView | undefined;
	readonly isConnected: boolean;
	/** What a button could not do. */
	readonly problem: string | undefined;
}

let known: Known = { view: undefined, isConnected: false, problem: undefined };
let offsetMs = 0;
const listeners = new Set<() => void>();

function become(next: Partial<Known>): void {
	known = { ...known, ...next };
	for (const listener of listeners) listener();
}

/** @returns how to stop */
export function follow(): () => void {
	const source = new EventSource('/api/stream');
	source.addEventListener('message', ({ data }: MessageEvent<string>) => {
		const view = JSON.parse(data) as PageView;
		offsetMs = view.nowMs - Date.now();
		become({ view, isConnected: true });
	});
	source.addEventListener('error', () => become({ isConnected: false }));
	return () => source.close();
}

/** One function for all renderings: a new one would subscribe anew each time. */
function subscribe(listener: () => void): () => void {
	listeners.add(listener);
	return () => listeners.delete(listener);
}

export const useKnown = (): Known => useSyncExternalStore(subscribe, () => known);

/** The eval runner's clock, ten times a second while it matters. */
export function useTicking(isTicking: boolean): number {
	const [nowMs, setNowMs] = useState(() => Date.now() + offsetMs);
	useEffect(() => {
		setNowMs(Date.now() + offsetMs);
		if (!isTicking) return undefined;
		const timer = setInterval(() => setNowMs(Date.now() + offsetMs), 100);
		return () => clearInterval(timer);
	}, [isTicking]);
	return nowMs;
}

async function act(path: string, body?: object): Promise<void> {
	become({ problem: undefined });
	await post(path, body).catch((error: Error) => become({ problem: error.message }));
}

export const run = (names: readonly string[]): Promise<void> => act('/api/run', { names });
export const stop = (): Promise<void> => act('/api/stop');
export const refresh = (): Promise<void> => act('/api/refresh');
export const setService = (name: string, verb: 'stop' | 'start'): Promise<void> => act(`/api/services/${name}/${verb}`);
export const setLarkMode = (mode: string): Promise<void> => act('/api/lark-mode', { mode });

import { useSyncExternalStore } from 'react';

/** The gateway's clock as this page knows it: one tick a second for everything that shows a time. */

let offsetMs = 0;
let nowMs = Date.now();
const listeners = new Set<() => void>();
let timer: ReturnType<typeof setInterval> | undefined;

const tick = (): void => {
	nowMs = Date.now() + offsetMs;
	for (const listener of listeners) listener();
};

/** What the gateway's clock said just now. */
export function setClock(gatewayNowMs: number): void {
	offsetMs = gatewayNowMs - Date.now();
	tick();
}

/** One function for all renderings: a new one would subscribe anew each time, and setting the clock then would render again, for ever on a slow machine. */
function subscribe(listener: () => void): () => void {
	listeners.add(listener);
	if (timer === undefined) {
		nowMs = Date.now() + offsetMs;
		timer = setInterval(tick, 1000);
	}
	return () => {
		listeners.delete(listener);
		if (listeners.size > 0) return;
		clearInterval(timer);
		timer = undefined;
	};
}

export const useNow = (): number => useSyncExternalStore(subscribe, () => nowMs);

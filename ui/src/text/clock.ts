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

export function useNow(): number {
	return useSyncExternalStore(
		(listener) => {
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
		},
		() => nowMs,
	);
}

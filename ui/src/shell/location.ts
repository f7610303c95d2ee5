import { type MouseEvent, useSyncExternalStore } from 'react';

/** The address bar as the pages' state: what is shown follows from it, so that a link shows the same to somebody else. */

const listeners = new Set<() => void>();
const changed = (): void => {
	for (const listener of listeners) listener();
};
window.addEventListener('popstate', changed);

/** @param replaces the address takes the place of the one before it in the browser's history */
export function navigate(to: string, { replaces = false } = {}): void {
	if (to === window.location.pathname + window.location.search) return;
	window.history[replaces ? 'replaceState' : 'pushState'](null, '', to);
	changed();
}

export function useLocation(): URL {
	const href = useSyncExternalStore(
		(listener) => {
			listeners.add(listener);
			return () => listeners.delete(listener);
		},
		() => window.location.href,
	);
	return new URL(href);
}

/** For `<a href>`: a plain click stays in the page, one for a new tab opens that. */
export const followsInPage =
	(to: string) =>
	(event: MouseEvent): void => {
		if (event.metaKey || event.ctrlKey || event.shiftKey || event.button !== 0) return;
		event.preventDefault();
		navigate(to);
	};

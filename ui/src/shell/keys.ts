import { useEffect, useRef } from 'react';

/** Single keys of the page. They rest while somebody types, and one that is held down counts once: nothing is approved by leaning on a key. */
export function useKeys(actions: Readonly<Record<string, () => void>>): void {
	const current = useRef(actions);
	current.current = actions;
	useEffect(() => {
		const press = (event: KeyboardEvent): void => {
			const { target } = event;
			if (event.ctrlKey || event.metaKey || event.altKey || event.repeat || event.defaultPrevented) return;
			if (
				target instanceof HTMLElement &&
				target.closest('input:not([type=radio]), textarea, select, [contenteditable], [role=menu]') !== null
			)
				return;
			if (event.key.startsWith('Arrow') && target instanceof HTMLInputElement) return;
			// A button that has the focus is pressed by Enter itself.
			if (event.key === 'Enter' && target instanceof HTMLElement && target.closest('button, a') !== null) return;
			const action = current.current[event.key];
			if (action === undefined) return;
			event.preventDefault();
			action();
		};
		document.addEventListener('keydown', press);
		return () => document.removeEventListener('keydown', press);
	}, []);
}

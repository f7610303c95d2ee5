import { type RefObject, useEffect, useState } from 'react';

/** Rows drawn beyond both edges, so that a quick scroll meets no gap. */
const BEYOND = 12;

export interface RowWindow {
	/** The first row to draw, and the one after the last. */
	readonly from: number;
	readonly to: number;
}

/** Which of many rows of one height can be seen in a box that scrolls: only those are drawn, however many there are. */
export function useWindow(box: RefObject<HTMLElement | null>, count: number, rowHeight: number): RowWindow {
	const [{ top, height }, setView] = useState({ top: 0, height: 800 });
	useEffect(() => {
		const element = box.current;
		if (element === null) return undefined;
		const look = () => setView({ top: element.scrollTop, height: element.clientHeight });
		const observer = new ResizeObserver(look);
		observer.observe(element);
		element.addEventListener('scroll', look, { passive: true });
		look();
		return () => {
			observer.disconnect();
			element.removeEventListener('scroll', look);
		};
	}, [box]);
	return {
		from: Math.max(0, Math.min(count, Math.floor(top / rowHeight) - BEYOND)),
		to: Math.min(count, Math.ceil((top + height) / rowHeight) + BEYOND),
	};
}

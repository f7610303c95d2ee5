/** "12 s", "4 min", "3 h", "2 d". */
export function amountOf(ms: number): string {
	const seconds = Math.round(Math.abs(ms) / 1000);
	if (seconds < 90) return `${seconds} s`;
	if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
	return seconds < 129_600 ? `${Math.round(seconds / 3600)} h` : `${Math.round(seconds / 86_400)} d`;
}

/** "just now", "4 min ago", "in 12 s". */
export function relative(ms: number, nowMs: number): string {
	if (Math.abs(ms - nowMs) < 5000) return 'just now';
	return ms > nowMs ? `in ${amountOf(ms - nowMs)}` : `${amountOf(nowMs - ms)} ago`;
}

/** What is left, as a clock counts down: "4:07", "1:02:09"; "0:00" when nothing is. */
export function countdown(ms: number): string {
	const seconds = Math.max(0, Math.ceil(ms / 1000));
	const two = (value: number) => String(value).padStart(2, '0');
	const minutes = Math.floor(seconds / 60);
	return minutes < 60 ? `${minutes}:${two(seconds % 60)}` : `${Math.floor(minutes / 60)}:${two(minutes % 60)}:${two(seconds % 60)}`;
}

/** `12 ms`, `3.4 s`, `2.5 min`: how long something took. */
export function duration(ms: number): string {
	if (ms < 950) return `${Math.max(0, Math.round(ms))} ms`;
	if (ms < 90_000) return `${(ms / 1000).toFixed(1)} s`;
	return ms < 5_400_000 ? `${(ms / 60_000).toFixed(1)} min` : `${(ms / 3_600_000).toFixed(1)} h`;
}

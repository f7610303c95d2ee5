/** Looks again and again until `look` finds something, and returns that. @throws {Error} after `withinMs`, saying what was waited for */
export async function until<T>(
	what: string,
	look: () => Promise<T | undefined | false> | T | undefined | false,
	withinMs = 30_000,
): Promise<T> {
	const endMs = performance.now() + withinMs;
	for (;;) {
		const found = await look();
		if (found !== undefined && found !== false) return found;
		if (performance.now() > endMs) throw new Error(`${what}: not within ${withinMs} ms`);
		await new Promise((resolve) => setTimeout(resolve, 10));
	}
}

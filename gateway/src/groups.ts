/** Groups of principals, as the configuration's `people` says. */

export interface PersonConfig {
	readonly groups: readonly string[];
}

/**
 * Who is in which groups. A key is an exact address, or has one `*` that stands for any text without `@`; a key that is only `*` means
 * everybody. Groups of all matching keys add up.
 */
export function groupsOf(people: Readonly<Record<string, PersonConfig>>): (principalId: string) => readonly string[] {
	const exact = new Map<string, readonly string[]>();
	const patterns: { start: string; end: string; isEverybody: boolean; groups: readonly string[] }[] = [];
	for (const [key, { groups }] of Object.entries(people)) {
		const star = key.indexOf('*');
		if (star === -1) exact.set(key, groups);
		else patterns.push({ start: key.slice(0, star), end: key.slice(star + 1), isEverybody: key === '*', groups });
	}
	return (principalId) => {
		const groups = new Set(exact.get(principalId));
		for (const { start, end, isEverybody, groups: more } of patterns) {
			if (principalId.length < start.length + end.length || !principalId.startsWith(start) || !principalId.endsWith(end)) continue;
			const middle = principalId.slice(start.length, principalId.length - end.length);
			if (isEverybody || !middle.includes('@')) for (const group of more) groups.add(group);
		}
		return [...groups];
	};
}

/** Whether a key of `people` names somebody, with groups or without. */
export function isNamedIn(people: Readonly<Record<string, PersonConfig>>): (principalId: string) => boolean {
	const named = groupsOf(Object.fromEntries(Object.keys(people).map((key) => [key, { groups: ['named'] }])));
	return (principalId) => named(principalId).length > 0;
}

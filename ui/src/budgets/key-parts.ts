/** What the key of a budget says, taken apart for reading. */
export interface KeyParts {
	/** Whom or what it counts for: `principal alice@example.com`. None: everyone together. */
	readonly by: readonly { readonly name: string; readonly value: string }[];
	/** `hour`, `turn turn-1`, `90 s`. */
	readonly window: string;
}

/** Undefined where the key is told by its digest, because it is too long. */
export function keyParts(key: string): KeyParts | undefined {
	const parts = texts(key);
	const label = parts?.at(-1);
	if (parts === undefined || label === undefined || parts.length < 3) return undefined;
	return {
		by: parts.slice(2, -1).map((part) => {
			const at = part.indexOf('=');
			if (at === -1) return { name: 'value', value: part };
			const value = part.slice(at + 1);
			// A session belongs to a principal and an agent, and is told with them.
			return { name: part.slice(0, at), value: part.startsWith('session=') ? (texts(value)?.at(-1) ?? value) || 'none' : value };
		}),
		window: windowOf(label),
	};
}

/** Turns and sessions carry their owner; of the others only the length is told, because the end stands beside it. */
function windowOf(label: string): string {
	const owned = texts(label);
	const [name = '', ...owner] = owned ?? [label];
	const kind = name.replace(/ \d{4}-\d\d-\d\dT[\d:.]+Z$/, '');
	if (owned === undefined || kind !== name) return kind;
	const last = owner.at(-1) ?? '';
	return last === '' ? kind : `${kind} ${last}`;
}

function texts(json: string): string[] | undefined {
	try {
		const value = JSON.parse(json) as unknown;
		return Array.isArray(value) && value.every((part) => typeof part === 'string') ? value : undefined;
	} catch {
		return undefined;
	}
}

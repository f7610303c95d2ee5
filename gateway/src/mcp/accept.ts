/** What the `Accept` header allows. Without one, or where anything goes, it is JSON: people try a gateway with curl. */
export interface Accepts {
	readonly json: boolean;
	readonly events: boolean;
}

export function readAccept(accept: string | undefined): Accepts {
	const types = (accept ?? '').split(',').map((part) => (part.split(';')[0] as string).trim().toLowerCase());
	const events = types.includes('text/event-stream');
	return { events, json: !events || types.some((type) => type === 'application/json' || type === 'application/*' || type === '*/*') };
}

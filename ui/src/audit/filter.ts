/** The filter of the explorer: the query of the address, which is also what the API and `toolgate audit search` take. */

export interface Field {
	/** As the address and the API call it. */
	readonly name: string;
	/** As people say it. */
	readonly label: string;
	/** The words that it can have; absent for any text. */
	readonly words?: readonly string[];
}

export const FIELDS: readonly Field[] = [
	{ name: 'principal', label: 'principal' },
	{ name: 'agent', label: 'agent' },
	{ name: 'tool', label: 'tool' },
	{ name: 'server', label: 'server' },
	{ name: 'decision', label: 'verdict', words: ['allow', 'deny', 'approvalRequired', 'budgetExceeded'] },
	{
		name: 'outcome',
		label: 'outcome',
		words: [
			'ok',
			'tool_error',
			'upstream_error',
			'upstream_timeout',
			'outcome_unknown',
			'withheld',
			'replayed',
			'approved',
			'rejected',
			'expired',
			'withdrawn',
			'unknown_tool',
			'invalid_arguments',
			'quarantined',
			'approval_pending',
			'policy_error',
			'audit_unavailable',
			'overloaded',
		],
	},
	{ name: 'rule', label: 'rule' },
	{ name: 'call', label: 'call' },
	{ name: 'decisionId', label: 'decision' },
	{ name: 'session', label: 'session' },
	{ name: 'turn', label: 'turn' },
	{
		name: 'kind',
		label: 'kind',
		words: ['decision', 'refusal', 'intent', 'outcome', 'approval', 'activation', 'operator', 'gap'],
	},
	{ name: 'since', label: 'since' },
	{ name: 'until', label: 'until' },
	{ name: 'text', label: 'text' },
];

/** How far back, as the buttons offer it. */
export const RANGES = ['1h', '24h', '7d', '30d'] as const;

/** Of the page itself, not of the filter. */
const PAGE_PARAMETERS = ['chart'];

export interface Chip {
	readonly name: string;
	readonly label: string;
	readonly value: string;
}

/** What the API is asked: everything in the address but what is the page's own. Unknown names stay, so that the API says what is wrong. */
export function filterQuery(search: URLSearchParams): URLSearchParams {
	return new URLSearchParams([...search].filter(([name]) => !PAGE_PARAMETERS.includes(name)));
}

/** A range that a button shows as chosen is no chip. */
export function chipsOf(search: URLSearchParams): Chip[] {
	return [...filterQuery(search)]
		.filter(([name, value]) => !(name === 'since' && isRange(value) && !search.has('until')))
		.map(([name, value]) => ({ name, value, label: FIELDS.find((field) => field.name === name)?.label ?? name }));
}

export const isRange = (value: string): boolean => (RANGES as readonly string[]).includes(value);

/** The address with one filter set, or taken away when `value` is undefined. */
export function withFilter(search: URLSearchParams, changes: Readonly<Record<string, string | undefined>>): URLSearchParams {
	const next = new URLSearchParams(search);
	for (const [name, value] of Object.entries(changes)) {
		if (value === undefined) next.delete(name);
		else next.set(name, value);
	}
	return next;
}

/** What somebody typed: `tool:create_refund` is a filter by its field, anything else a text to look for. Undefined while there is nothing to look for. */
export function typedFilter(typed: string): { readonly name: string; readonly value: string } | undefined {
	const text = typed.trim();
	const [, label, rest] = /^([a-z]+):(.*)$/is.exec(text) ?? [];
	const field = FIELDS.find((one) => one.label === label?.toLowerCase()) ?? FIELDS.find((one) => one.name === label);
	if (field === undefined) return text === '' ? undefined : { name: 'text', value: text };
	const value = rest!.trim();
	return value === '' ? undefined : { name: field.name, value };
}

/** What could follow on what is typed: fields, then values. @param seen values of the entries that are shown, by field */
export function suggestions(typed: string, seen: (name: string) => readonly string[]): string[] {
	const [, label, rest] = /^([a-z]+):(.*)$/is.exec(typed.trimStart()) ?? [];
	const field = FIELDS.find((one) => one.label === label?.toLowerCase());
	if (field === undefined) return FIELDS.filter((one) => one.label.startsWith(typed.trim().toLowerCase())).map((one) => `${one.label}:`);
	const wanted = rest!.trim().toLowerCase();
	return (field.words ?? seen(field.name))
		.filter((value) => value.toLowerCase().includes(wanted) && value.toLowerCase() !== wanted)
		.slice(0, 12)
		.map((value) => `${field.label}:${value}`);
}

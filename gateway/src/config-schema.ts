/** The pieces a configuration schema is made of. A leaf knows its type, default, sentence and environment variable. */

export interface Leaf<T> {
	readonly node: 'leaf';
	/** What is expected, for error messages: "a whole number from 1 to 65535". */
	readonly expected: string;
	readonly says: string;
	readonly fallback: T | undefined;
	readonly env?: string;
	/** Shown as •••• by `config print`. */
	readonly isSecret?: boolean;
	/** The typed value, or undefined when it isn't what is expected. */
	read(value: unknown): T | undefined;
}

export interface Group<S extends Shape> {
	readonly node: 'group';
	readonly says: string;
	readonly shape: S;
	/** A rule over the whole group: a sentence about what is wrong, or undefined. */
	check?(value: never): string | undefined;
}

/** Keys chosen by the operator, each with the same schema. */
export interface Named<S extends Schema> {
	readonly node: 'named';
	readonly says: string;
	readonly each: S;
	readonly fallback: Readonly<Record<string, Value<S>>>;
	/** What a key has to look like. */
	readonly key: RegExp;
	readonly keyExpected: string;
}

export type Shape = { readonly [key: string]: Schema };
// oxlint-disable-next-line typescript/no-explicit-any -- the parameters of the pieces vary by leaf; only `Value` needs them
export type Schema = Leaf<any> | Group<any> | Named<any>;

export type Value<S> =
	S extends Leaf<infer T>
		? T
		: S extends Group<infer G>
			? { readonly [K in keyof G]: Value<G[K]> }
			: S extends Named<infer N>
				? Readonly<Record<string, Value<N>>>
				: never;

interface LeafOptions<T> {
	readonly fallback?: T;
	readonly env?: string;
	readonly isSecret?: boolean;
}

function leaf<T>(expected: string, says: string, read: (value: unknown) => T | undefined, options: LeafOptions<T>): Leaf<T> {
	return { node: 'leaf', expected, says, read, fallback: options.fallback, ...options } as Leaf<T>;
}

export const text = (says: string, options: LeafOptions<string> = {}) =>
	leaf('a text', says, (value) => (typeof value === 'string' ? value : undefined), options);

export const optionalText = (says: string, options: LeafOptions<string | undefined> = {}) =>
	leaf<string | undefined>('a text', says, (value) => (typeof value === 'string' && value !== '' ? value : undefined), options);

export const postgresUrl = (says: string, options: LeafOptions<string> = {}) =>
	leaf(
		'postgres://user:password@host:port/database',
		says,
		(value) => (typeof value === 'string' && (value === '' || /^postgres(ql)?:\/\/./.test(value)) ? value : undefined),
		options,
	);

export const flag = (says: string, options: LeafOptions<boolean> = {}) =>
	leaf(
		'true or false',
		says,
		(value) => (typeof value === 'boolean' ? value : value === 'true' ? true : value === 'false' ? false : undefined),
		options,
	);

/** A whole number; environment variables bring it as text. */
export const whole = (says: string, { min, max, ...options }: LeafOptions<number> & { min: number; max: number }) =>
	leaf(
		`a whole number from ${min} to ${max}`,
		says,
		(value) => {
			const number = typeof value === 'string' && /^\d+$/.test(value) ? Number(value) : value;
			return typeof number === 'number' && Number.isSafeInteger(number) && number >= min && number <= max ? number : undefined;
		},
		options,
	);

export const choice = <const T extends string>(says: string, words: readonly T[], options: LeafOptions<T>) =>
	leaf<T>(`one of ${words.join(', ')}`, says, (value) => words.find((word) => word === value), options);

/** Some of a few words. */
export const choices = <const T extends string>(says: string, words: readonly T[], options: LeafOptions<readonly T[]>) =>
	leaf<readonly T[]>(
		`a list of ${words.join(', ')}`,
		says,
		(value) => (Array.isArray(value) && value.every((item) => words.includes(item as T)) ? (value as T[]) : undefined),
		options,
	);

export const texts = (says: string, options: LeafOptions<readonly string[]> = {}) =>
	leaf<readonly string[]>(
		'a list of texts',
		says,
		// An environment variable separates them by commas.
		(value) =>
			typeof value === 'string' && options.env !== undefined
				? value
						.split(',')
						.map((item) => item.trim())
						.filter((item) => item !== '')
				: Array.isArray(value) && value.every((item) => typeof item === 'string')
					? value
					: undefined,
		options,
	);

/** Names to texts, for headers and environments. */
export const textMap = (says: string, options: LeafOptions<Readonly<Record<string, string>>> = {}) =>
	leaf<Readonly<Record<string, string>>>(
		'names with texts',
		says,
		(value) =>
			typeof value === 'object' && value !== null && !Array.isArray(value) && Object.values(value).every((item) => typeof item === 'string')
				? (value as Record<string, string>)
				: undefined,
		options,
	);

export const httpUrl = (says: string, options: LeafOptions<string | undefined> = {}) =>
	leaf<string | undefined>(
		'an http:// or https:// URL',
		says,
		(value) => (typeof value === 'string' && /^https?:$/.test(URL.parse(value)?.protocol ?? '') ? value : undefined),
		options,
	);

/** A key that is known, and has to be absent. @param instead what there is in its place */
export const notYet = (instead: string) =>
	leaf<undefined>('nothing here, it is not yet supported', `Not yet supported. ${instead}`, () => undefined, {});

export interface Address {
	readonly host: string;
	readonly port: number;
}

/** `host:port`, `[::1]:port`; port 0 takes a free one. */
export const address = (says: string, options: LeafOptions<Address>) =>
	leaf<Address>(
		'host:port, such as 127.0.0.1:18080',
		says,
		(value) => {
			const found = typeof value === 'string' ? /^(\[[0-9a-fA-F:]+\]|[^:\s]+):(\d{1,5})$/.exec(value) : null;
			if (!found || Number(found[2]) > 65_535) return undefined;
			return { host: found[1]!.replace(/^\[|\]$/g, ''), port: Number(found[2]) };
		},
		options,
	);

export const group = <S extends Shape>(says: string, shape: S, check?: (value: Value<Group<S>>) => string | undefined): Group<S> => ({
	node: 'group',
	says,
	shape,
	...(check === undefined ? {} : { check: check as (value: never) => string | undefined }),
});

export const named = <S extends Schema>(
	says: string,
	each: S,
	options: { key: RegExp; keyExpected: string; fallback?: Readonly<Record<string, Value<S>>> },
): Named<S> => ({ node: 'named', says, each, key: options.key, keyExpected: options.keyExpected, fallback: options.fallback ?? {} });

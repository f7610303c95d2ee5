/** The two cookies of the people listener, RFC 6265. */

export interface CookieOptions {
	/** `/api` for the session: the pages themselves need none, and what runs on another port of this host gets it less often. */
	readonly path: string;
	readonly sameSite: 'Strict' | 'Lax';
	/** Sent over TLS only. */
	readonly isSecure: boolean;
	/** 0 removes it; absent: until the browser closes. */
	readonly maxAgeSeconds?: number;
}

/** The value of the first cookie of that name. */
export function readCookie(header: string | undefined, name: string): string | undefined {
	for (const pair of header?.split(';') ?? []) {
		const equals = pair.indexOf('=');
		if (equals !== -1 && pair.slice(0, equals).trim() === name) return pair.slice(equals + 1).trim();
	}
	return undefined;
}

/** A `Set-Cookie` line that no script can read. The value has to be free of `;`, `,` and blanks. */
export function cookieLine(name: string, value: string, { path, sameSite, isSecure, maxAgeSeconds }: CookieOptions): string {
	return [
		`${name}=${value}`,
		`Path=${path}`,
		'HttpOnly',
		`SameSite=${sameSite}`,
		...(isSecure ? ['Secure'] : []),
		...(maxAgeSeconds === undefined ? [] : [`Max-Age=${maxAgeSeconds}`]),
	].join('; ');
}

import { isIP } from 'node:net';
import { fail, textOf } from './operands.ts';

/** What Go's url.Parse finds; '' where a part is absent. `rawPath` is '' where it would be the path's own escaping. */
export interface GoUrl {
	scheme: string;
	hostname: string;
	port: string;
	path: string;
	rawPath: string;
	rawQuery: string;
	fragment: string;
}

/** Makes text of bytes that escapes stand for; {@link textOf} fails where they are none. */
type Decode = (bytes: Uint8Array) => string;

/** Go's url.Parse; fails where it has an error, and where `decode` does. */
export function parseUrl(text: string, decode: Decode = textOf): GoUrl {
	const hash = text.indexOf('#');
	const url = parseWithoutFragment(hash < 0 ? text : text.slice(0, hash), decode);
	if (hash >= 0) url.fragment = unescapePercent(text.slice(hash + 1), decode);
	return url;
}

function parseWithoutFragment(text: string, decode: Decode): GoUrl {
	const url: GoUrl = { scheme: '', hostname: '', port: '', path: '', rawPath: '', rawQuery: '', fragment: '' };
	// biome-ignore lint/suspicious/noControlCharactersInRegex: Go refuses exactly these
	if (/[\x00-\x1f\x7f]/.test(text) || text.startsWith(':')) fail();
	const scheme = /^([a-zA-Z][a-zA-Z0-9+.-]*):/.exec(text)?.[1];
	url.scheme = scheme?.toLowerCase() ?? '';
	let rest = scheme === undefined ? text : text.slice(scheme.length + 1);
	const question = rest.indexOf('?');
	if (question >= 0) {
		url.rawQuery = rest.slice(question + 1);
		rest = rest.slice(0, question);
	}
	if (!rest.startsWith('/')) {
		// A rootless path after a scheme is opaque ("mailto:a@b"): no part of it is a path.
		if (url.scheme !== '') return url;
		if (/^[^/]*:/.test(rest)) fail();
	}
	if (rest.startsWith('//') && (url.scheme !== '' || !rest.startsWith('///'))) {
		const [, authority = '', path = ''] = /^\/\/([^/]*)(.*)$/s.exec(rest) ?? [];
		Object.assign(url, parseAuthority(url.scheme, authority, decode));
		rest = path;
	}
	url.path = unescapePercent(rest, decode);
	url.rawPath = rest === escapeBytes(url.path, pathCharacters) ? '' : rest;
	return url;
}

const pathCharacters = /^[a-zA-Z0-9\-_.~$&+,/:;=@]$/;
const queryCharacters = /^[a-zA-Z0-9\-_.~]$/;

function parseAuthority(scheme: string, authority: string, decode: Decode): { hostname: string; port: string } {
	const at = authority.lastIndexOf('@');
	const host = parseHost(scheme, authority.slice(at + 1), decode);
	if (at >= 0) checkUserinfo(authority.slice(0, at));
	const port = /:([0-9]*)$/.exec(host);
	const hostname = port ? host.slice(0, port.index) : host;
	return { hostname: /^\[.*\]$/s.test(hostname) ? hostname.slice(1, -1) : hostname, port: port?.[1] ?? '' };
}

function checkUserinfo(userinfo: string): void {
	if (!/^[A-Za-z0-9\-._:~!$&'()*+,;=%@]*$/.test(userinfo)) fail();
	// Bytes that aren't text are no error here: nothing shows the name.
	if (/%(?![0-9a-fA-F]{2})/.test(userinfo)) fail();
}

function parseHost(scheme: string, host: string, decode: Decode): string {
	const bracket = host.lastIndexOf('[');
	if (bracket > 0) fail();
	if (bracket === 0) return parseLiteral(host, decode);
	const first = host.indexOf(':');
	if (first >= 0) {
		// Several colons ("a:1,b:2") are only read leniently outside http.
		const colon = scheme === 'http' || scheme === 'https' ? first : host.lastIndexOf(':');
		if (!isPort(host.slice(colon))) fail();
	}
	return unescapeHost(host, decode);
}

/** `[IPv6%25zone]:port` */
function parseLiteral(host: string, decode: Decode): string {
	const close = host.lastIndexOf(']');
	const port = host.slice(close + 1);
	if (close < 0 || !isPort(port)) fail();
	const inner = host.slice(1, close);
	const zone = inner.indexOf('%25');
	const name =
		zone < 0 ? unescapeHost(inner, decode) : unescapeHost(inner.slice(0, zone), decode) + unescapeZone(inner.slice(zone), decode);
	const percent = name.indexOf('%');
	const address = percent < 0 ? name : name.slice(0, percent);
	if (isIP(address) !== 6 || percent === name.length - 1) fail();
	return `[${name}]${port}`;
}

function isPort(text: string): boolean {
	return /^(?::[0-9]*)?$/.test(text);
}

const hostCharacters = /^(?:[a-zA-Z0-9!$&'()*+,;=:[\]<>"\-_.~]|%25|%[89a-fA-F][0-9a-fA-F]|[^\x00-\x7f])*$/;

function unescapeHost(text: string, decode: Decode): string {
	return hostCharacters.test(text) ? unescapePercent(text, decode) : fail();
}

// Besides, an escape may stand for a space or for any character that a host may hold.
function unescapeZone(text: string, decode: Decode): string {
	for (const escape of text.match(/%../gs) ?? []) {
		const byte = Number.parseInt(escape.slice(1), 16);
		const isAllowed =
			escape === '%25' || byte === 0x20 || byte >= 0x80 || /^[a-zA-Z0-9!$&'()*+,;=:[\]<>"\-_.~]$/.test(String.fromCharCode(byte));
		if (!isAllowed || (byte >= 0x80 && escape !== '%25')) fail();
	}
	return hostCharacters.test(text.replaceAll(/%[0-9a-fA-F]{2}/g, '')) ? unescapePercent(text, decode) : fail();
}

/** Replaces %XX; fails for a stray %. */
function unescapePercent(text: string, decode: Decode): string {
	if (/%(?![0-9a-fA-F]{2})/.test(text)) fail();
	if (!text.includes('%')) return text;
	const byteText = Buffer.from(text).toString('latin1');
	return decode(
		Buffer.from(
			byteText.replaceAll(/%(..)/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16))),
			'latin1',
		),
	);
}

function escapeBytes(text: string, kept: RegExp): string {
	return Array.from(Buffer.from(text), (byte) => {
		const character = String.fromCharCode(byte);
		return kept.test(character) ? character : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
	}).join('');
}

/** Go's url.QueryEscape: a space becomes +, and more is escaped than by encodeURIComponent. */
export function escapeQuery(text: string): string {
	return escapeBytes(text, queryCharacters).replaceAll('%20', '+');
}

/** Go's url.QueryUnescape. */
export function unescapeQuery(text: string): string {
	return unescapePercent(text.replaceAll('+', ' '), textOf);
}

/** Requests as a browser makes them: it keeps cookies by name and path, and follows no redirect. */
export interface Browser {
	request(path: string, init?: { method?: string; headers?: Readonly<Record<string, string>>; body?: unknown }): Promise<Answer>;
	readonly cookies: ReadonlyMap<string, string>;
}

export interface Answer {
	readonly status: number;
	readonly headers: Headers;
	readonly text: string;
	readonly json: Record<string, unknown>;
	readonly setCookies: readonly string[];
}

export function browser(origin: string): Browser {
	const jar = new Map<string, { value: string; path: string }>();
	return {
		get cookies() {
			return new Map([...jar].map(([name, { value }]) => [name, value]));
		},
		async request(path, { method = 'GET', headers = {}, body } = {}) {
			const url = new URL(path, origin);
			const sent = [...jar].filter(([, { path }]) => url.pathname.startsWith(path)).map(([name, { value }]) => `${name}=${value}`);
			const response = await fetch(url, {
				method,
				redirect: 'manual',
				headers: {
					...(sent.length === 0 ? {} : { cookie: sent.join('; ') }),
					...(body === undefined ? {} : { 'content-type': 'application/json' }),
					...headers,
				},
				...(body === undefined ? {} : { body: JSON.stringify(body) }),
			});
			const setCookies = response.headers.getSetCookie();
			for (const line of setCookies) {
				const [, name, value] = /^([^=]+)=([^;]*)/.exec(line)!;
				const path = /; path=([^;]+)/i.exec(line)?.[1] ?? '/';
				if (value === '' || /; max-age=0\b/i.test(line)) jar.delete(name!);
				else jar.set(name!, { value: value!, path });
			}
			const text = await response.text();
			const isJson = response.headers.get('content-type')?.startsWith('application/json') ?? false;
			return {
				status: response.status,
				headers: response.headers,
				text,
				json: isJson ? (JSON.parse(text) as Record<string, unknown>) : {},
				setCookies,
			};
		},
	};
}

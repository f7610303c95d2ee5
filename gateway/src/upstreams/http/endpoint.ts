import type { Dispatcher } from 'undici';

/** How to reach one upstream. */
export interface Endpoint {
	readonly dispatcher: Dispatcher;
	/** For streams that are held, so that calls never wait for their connections. */
	readonly streams: Dispatcher;
	readonly path: string;
	/** Header names and values in turn, sent with every request: content types, the gateway's own credentials, the session. */
	readonly headers: readonly string[];
}

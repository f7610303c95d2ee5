import type { DecidedRequest } from '../domain.ts';
import { isObject } from '../json-object.ts';

const EVERY_MS = 15_000;

/**
 * Tells an agent that gave a progress token, at once and from time to time, that its call waits for a person; never one that gave none. The values rise
 * towards zero, because those of the upstream, under the same token, come after them and have to be higher.
 * @returns how to stop
 */
export function reportWaiting({ message, name, downstream }: DecidedRequest, everyMs: number = EVERY_MS): () => void {
	const { params } = message;
	const meta = isObject(params) && isObject(params['_meta']) ? params['_meta'] : {};
	const token = meta['progressToken'];
	if (typeof token !== 'string' && typeof token !== 'number') return () => undefined;
	let told = 0;
	const tell = (): void => {
		const progress = { progressToken: token, progress: -1 / ++told, message: `${name} waits for a person to approve it` };
		downstream.notify({ jsonrpc: '2.0', method: 'notifications/progress', params: progress });
	};
	tell();
	const timer = setInterval(tell, everyMs).unref();
	return () => clearInterval(timer);
}

import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';

export interface RawAnswer {
	readonly status: number;
	readonly headers: IncomingMessage['headers'];
	readonly text: string;
}

/** One request with exactly these headers, `Host` too, which `fetch` would not let go. */
export async function rawRequest(
	url: string,
	method: string,
	headers: Readonly<Record<string, string>>,
	body?: string,
): Promise<RawAnswer> {
	const outgoing = request(url, { method, headers, agent: false });
	outgoing.end(body);
	const [response] = (await once(outgoing, 'response')) as [IncomingMessage];
	const chunks: Buffer[] = [];
	for await (const chunk of response) chunks.push(chunk as Buffer);
	return { status: response.statusCode!, headers: response.headers, text: Buffer.concat(chunks).toString() };
}

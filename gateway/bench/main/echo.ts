/** The least that HTTP costs: every body is sent back as it came. */
import { createServer } from 'node:http';
import { listenAndSay } from '../listening.ts';

listenAndSay(
	createServer((request, response) => {
		const chunks: Buffer[] = [];
		request.on('data', (chunk: Buffer) => chunks.push(chunk));
		request.on('end', () => {
			const body = chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks);
			response.writeHead(200, { 'content-type': 'application/json', 'content-length': body.length }).end(body);
		});
	}),
	'/',
);

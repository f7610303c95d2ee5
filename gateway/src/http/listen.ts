import type { AddressInfo } from 'node:net';
import type { FastifyInstance } from 'fastify';
import type { Address } from '../config-schema.ts';
import { ToolGateError } from '../errors.ts';

/** Starts to listen and returns the URL. @throws {ToolGateError} PORT_IN_USE, naming the port, the key and how to choose another. */
export async function listen(app: FastifyInstance, { host, port }: Address, key: string, env: string): Promise<string> {
	try {
		await app.listen({ host, port });
	} catch (cause) {
		const { code } = cause as NodeJS.ErrnoException;
		const choose = `choose another with ${key} in the configuration, or ${env}`;
		if (code === 'EADDRINUSE')
			throw new ToolGateError('PORT_IN_USE', `port ${port} on ${host} is in use: stop the program that has it, or ${choose}`, { cause });
		if (code === 'EACCES' || code === 'EADDRNOTAVAIL' || code === 'ENOTFOUND')
			throw new ToolGateError('PORT_IN_USE', `${host}:${port} can not be bound (${code}): ${choose}`, { cause });
		throw cause;
	}
	const address = app.server.address() as AddressInfo;
	return `http://${host.includes(':') ? `[${host}]` : host}:${address.port}`;
}

import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import type { FastifyInstance } from 'fastify';
import type { Address } from '../config-schema.ts';
import { ToolGateError } from '../errors.ts';
import { ownerOf } from './port-owner.ts';

/** Where an address is set: the key in `toolgate.yaml`, and the environment variable. */
export interface AddressNames {
	readonly key: string;
	readonly env: string;
}

/** Starts to listen and returns the URL. @throws {ToolGateError} PORT_IN_USE, naming the port, who has it, the key and how to choose another. */
export async function listen(app: FastifyInstance, { host, port }: Address, names: AddressNames): Promise<string> {
	await app.listen({ host, port }).catch(async (cause) => {
		throw await refusal(cause, { host, port }, names);
	});
	const address = app.server.address() as AddressInfo;
	return `http://${host.includes(':') ? `[${host}]` : host}:${address.port}`;
}

/**
 * Tells at once that an address can't be had, before anything is opened that has to be closed again. That it is still free when it is
 * listened to, `listen` tells.
 * @throws {ToolGateError} as `listen`
 */
export async function demandFree({ host, port }: Address, names: AddressNames): Promise<void> {
	if (port === 0) return;
	const probe = createServer().listen({ host, port, exclusive: true });
	await once(probe, 'listening').catch(async (cause) => {
		throw await refusal(cause, { host, port }, names);
	});
	probe.close();
	await once(probe, 'close');
}

async function refusal(cause: NodeJS.ErrnoException, { host, port }: Address, { key, env }: AddressNames): Promise<Error> {
	const choose = `choose another with ${key} in the configuration, or ${env}`;
	switch (cause.code) {
		case 'EADDRINUSE': {
			const owner = await ownerOf(port);
			const by = owner === undefined ? ': stop the program that has it' : ` by ${owner}: stop that`;
			return new ToolGateError('PORT_IN_USE', `port ${port} on ${host} is in use${by}, or ${choose}`, { cause });
		}
		case 'EACCES':
		case 'EADDRNOTAVAIL':
		case 'ENOTFOUND':
			return new ToolGateError('PORT_IN_USE', `${host}:${port} can not be bound (${cause.code}): ${choose}`, { cause });
		default:
			return cause;
	}
}

import { parseArgs } from 'node:util';
import type { AddressInfo } from 'node:net';
import type { FastifyInstance } from 'fastify';

/** One setting of a demo server: a flag `--name`, an environment variable, a default, and a sentence for `--help`. */
export type Setting = { env?: string; default: string; describe: string; oneOf?: readonly string[] };
type Settings = Record<string, Setting>;
export type ReadSettings<S extends Settings> = { [K in keyof S]: string } & { host: string; port: number };

/** A mistake of the person who started the program: told in one line, exit code 2. */
export class UsageError extends Error {}

/**
 * Reads `--port`, `--host` and the given settings. A flag wins over its environment variable, and that over the default; an empty variable
 * counts as unset, because compose files pass unset ones on as empty.
 */
export function readSettings<S extends Settings>(
	defaultPort: number,
	settings: S,
	argv: string[],
	env: NodeJS.ProcessEnv,
): ReadSettings<S> {
	const all: Settings = { ...commonSettings(defaultPort), ...settings };
	const options = Object.fromEntries(Object.keys(all).map((name) => [flagOf(name), { type: 'string' as const }]));
	let flags: Record<string, unknown>;
	try {
		flags = parseArgs({ args: argv, options, strict: true }).values;
	} catch (error) {
		throw new UsageError((error as Error).message.split('. ')[0]);
	}
	const read: Record<string, string | number> = {};
	for (const [name, setting] of Object.entries(all)) {
		const flag = flags[flagOf(name)] as string | undefined;
		const value = flag ?? ((setting.env && env[setting.env]) || setting.default);
		if (setting.oneOf && !setting.oneOf.includes(value)) {
			throw new UsageError(
				`${flag === undefined ? setting.env : `--${flagOf(name)}`} is "${value}", expected one of ${setting.oneOf.join(', ')}`,
			);
		}
		read[name] = value;
	}
	read.port = portNumber(String(read.port));
	return read as ReadSettings<S>;
}

/**
 * The life of a demo server: read settings, build, listen, and stop at once on SIGTERM or SIGINT (its state is in memory, so there is nothing
 * to save). Never returns an error to the caller: what goes wrong is one line on stderr and exit code 2.
 */
export async function runServer<S extends Settings>(
	name: string,
	defaultPort: number,
	settings: S,
	build: (settings: ReadSettings<S>) => FastifyInstance,
): Promise<void> {
	if (process.argv.includes('--help')) {
		process.stdout.write(usage(name, { ...commonSettings(defaultPort), ...settings }));
		return;
	}
	process.once('SIGTERM', () => process.exit(0));
	process.once('SIGINT', () => process.exit(0));
	try {
		const read = readSettings(defaultPort, settings, process.argv.slice(2), process.env);
		const app = build(read);
		app.get('/healthz', () => ({ ok: true }));
		await app.listen({ host: read.host, port: read.port }).catch((error: NodeJS.ErrnoException) => {
			throw new UsageError(explainListenError(error, read.host, read.port));
		});
		const { port } = app.server.address() as AddressInfo;
		console.log(`${name} listens on http://${read.host}:${port}`);
	} catch (error) {
		if (!(error instanceof UsageError)) throw error;
		console.error(`${name}: ${error.message}`);
		process.exit(2);
	}
}

function commonSettings(defaultPort: number): Settings {
	return {
		port: { env: 'PORT', default: String(defaultPort), describe: 'port to listen on; 0 takes a free one' },
		// No variable: some shells export HOST as the machine's name.
		host: { default: '127.0.0.1', describe: 'address to listen on' },
	};
}

function flagOf(name: string): string {
	return name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

function portNumber(text: string): number {
	const port = Number(text);
	if (!/^\d+$/.test(text) || port > 65535) throw new UsageError(`the port is "${text}", expected a number from 0 to 65535`);
	return port;
}

function explainListenError(error: NodeJS.ErrnoException, host: string, port: number): string {
	if (error.code === 'EADDRINUSE')
		return `port ${port} on ${host} is in use; stop the program that has it, or choose another with --port (or PORT)`;
	if (error.code === 'EACCES') return `port ${port} on ${host} needs more rights; choose another with --port (or PORT)`;
	if (error.code === 'EADDRNOTAVAIL' || error.code === 'ENOTFOUND')
		return `${host} is not an address of this machine; choose another with --host`;
	return `cannot listen on ${host}:${port}: ${error.message}`;
}

function usage(name: string, settings: Settings): string {
	const rows = Object.entries(settings).map(([key, { env, default: value, describe }]) => {
		const facts = [env, value && `default ${value}`].filter(Boolean).join(', ');
		return `  --${flagOf(key).padEnd(20)} ${describe} (${facts})\n`;
	});
	return `node tools/${name}/main.ts [options]\n\n${rows.join('')}`;
}

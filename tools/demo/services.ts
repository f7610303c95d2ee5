import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The demo stack as child processes. Names and default ports are fixed: people have them in their fingers. */

export const SERVICE_NAMES = ['localstripe', 'mock-lark', 'localstripe-mcp', 'gateway', 'eval-trigger'] as const;
export type ServiceName = (typeof SERVICE_NAMES)[number];

export interface Ports {
	readonly localstripe: number;
	readonly 'localstripe-mcp': number;
	readonly 'mock-lark': number;
	readonly gateway: number;
	/** The gateway's listener for people. */
	readonly people: number;
	readonly 'eval-trigger': number;
}

export const DEFAULT_PORTS: Ports = {
	localstripe: 18420,
	'localstripe-mcp': 18421,
	'mock-lark': 18090,
	gateway: 18080,
	people: 18081,
	'eval-trigger': 18086,
};

export interface Service {
	readonly name: ServiceName;
	readonly what: string;
	/** Arguments of `node`. */
	readonly args: readonly string[];
	readonly env: Readonly<Record<string, string>>;
	/** Ports it listens on. */
	readonly ports: readonly number[];
	/** Where people reach it. */
	readonly url: string;
	/** Answers 200 when it works. */
	readonly healthUrl: string;
}

export interface StackOptions {
	readonly ports: Ports;
	/** Folder of the gateway's database and of the logs. */
	readonly dataDir: string;
}

/** The folder that holds the whole project. */
export const root = fileURLToPath(new URL('../../', import.meta.url));

// The demo's own secrets, worth nothing: mock-lark is the only Lark that knows them.
const lark = {
	LARK_APP_ID: 'cli_demo',
	LARK_APP_SECRET: 'demo-secret',
	LARK_CHAT_ID: 'oc_demo',
	LARK_VERIFICATION_TOKEN: 'demo-verification-token',
};

const local = (port: number, path = ''): string => `http://127.0.0.1:${port}${path}`;

/** Every service of a stack, in the order they start. */
export function servicesOf({ ports, dataDir }: StackOptions): Service[] {
	const tool = (name: Exclude<ServiceName, 'gateway'>, what: string, env: Record<string, string>): Service => ({
		name,
		what,
		args: [join(root, 'tools', name, 'main.ts'), '--port', String(ports[name])],
		env,
		ports: [ports[name]],
		url: local(ports[name]),
		healthUrl: local(ports[name], '/healthz'),
	});
	const larkHere = { ...lark, LARK_API_BASE_URL: local(ports['mock-lark']) };
	return [
		tool('localstripe', 'a fake Stripe API', {}),
		tool('mock-lark', 'a fake Lark: cards arrive here', { ...lark, LARK_CALLBACK_URL: local(ports.gateway, '/lark/actions') }),
		tool('localstripe-mcp', 'an MCP server over it', {
			STRIPE_API_KEY: 'sk_test_localstripe',
			STRIPE_API_BASE: local(ports.localstripe),
			...larkHere,
		}),
		{
			name: 'gateway',
			what: 'ToolGate, for agents',
			args: [join(root, 'gateway/src/cli.ts'), 'serve', '--config', join(root, 'toolgate.yaml')],
			env: {
				...larkHere,
				// As `bin/toolgate` does; a file without an extension can't be started under every module hook, such as those of the test runner.
				NODE_COMPILE_CACHE: join(root, 'node_modules/.cache/toolgate'),
				STRIPE_MCP_URL: local(ports['localstripe-mcp'], '/mcp'),
				TOOLGATE_LISTEN_AGENTS: `127.0.0.1:${ports.gateway}`,
				TOOLGATE_LISTEN_PEOPLE: `127.0.0.1:${ports.people}`,
				TOOLGATE_DATA_DIR: dataDir,
			},
			ports: [ports.gateway, ports.people],
			url: local(ports.gateway, '/mcp'),
			healthUrl: local(ports.people, '/readyz'),
		},
		tool('eval-trigger', 'an agent to drive', { MCP_URL: local(ports.gateway, '/mcp') }),
	];
}

import { styleText } from 'node:util';
import { type Service, servicesOf, type StackOptions } from './services.ts';
import type { StackFile } from './supervisor.ts';

const paint = (style: Parameters<typeof styleText>[0], text: string): string => styleText(style, text, { stream: process.stdout });

/** One line as a service comes up. */
export function progressLine(service: Service, tookMs: number): string {
	return `  ${paint('green', '✔')} ${service.name.padEnd(16)} ${service.url.padEnd(28)} ${paint('dim', `${(tookMs / 1000).toFixed(1)} s`)}`;
}

/** What runs where, what a client needs, and three things to try. Every command works as it stands. */
export function welcome(stack: StackFile, options: StackOptions, signInUrl: string): string {
	const { ports } = options;
	const heading = (text: string) => paint('bold', text);
	const rows = servicesOf(options).map((service) => `  ${service.name.padEnd(16)} ${service.url.padEnd(28)} ${paint('dim', service.what)}`);
	const mcpServers = JSON.stringify({ mcpServers: { toolgate: { type: 'http', url: stack.services.gateway } } }, undefined, 2);
	const isDefault = ports.gateway === 18080;
	const toolgate = isDefault
		? 'npx toolgate'
		: `TOOLGATE_LISTEN_PEOPLE=127.0.0.1:${ports.people} TOOLGATE_DATA_DIR=${options.dataDir} npx toolgate`;
	const run = (body: object) =>
		`curl -s ${stack.services['eval-trigger']}/run -H 'Content-Type: application/json' -d '${JSON.stringify(body)}'`;
	return [
		'',
		heading('Running'),
		...rows,
		`  ${'people'.padEnd(16)} ${stack.peopleUrl.padEnd(28)} ${paint('dim', 'ToolGate, for people: console, API, /readyz, /metrics')}`,
		'',
		heading('Sign in to the console, once and within ten minutes'),
		`  ${paint('cyan', signInUrl)}`,
		`  ${paint('dim', `another link: ${toolgate} sign-in`)}`,
		'',
		heading("For a client's settings"),
		mcpServers.replaceAll(/^/gm, '  '),
		'',
		heading('Three things to try, in a second terminal'),
		'',
		`  1  An agent reads, and is refused what the policy denies; watch it with ${paint('cyan', `${toolgate} audit tail`)}`,
		`     ${paint('cyan', run({ input: 'List the recent charges of alice@example.com, then delete customer cus_alice', principal: 'alice@example.com', turnId: 'try-1' }))}`,
		'',
		'  2  A refund needs a person. Let mock-lark ignore its card, ask for the refund, and approve it by hand (or in the console)',
		`     ${paint('cyan', `curl -s ${stack.services['mock-lark']}/_mode -H 'Content-Type: application/json' -d '{"mode":"ignore"}'`)}`,
		`     ${paint('cyan', `${run({ input: 'Refund the last charge of alice@example.com', principal: 'alice@example.com', turnId: 'try-2' })} & sleep 2`)}`,
		`     ${paint('cyan', `${toolgate} approvals approve $(${toolgate} approvals list --json | node -p 'JSON.parse(fs.readFileSync(0))[0].id') && wait`)}`,
		'',
		`  3  Three resilience scenarios, with real faults, against this stack`,
		`     ${paint('cyan', 'npm run demo:resilience')}`,
		'',
		paint('dim', `Logs are in ${options.dataDir}/logs. Ctrl-C stops everything.`),
	].join('\n');
}

import { mkdtempSync, renameSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { type Config, loadConfig } from './config.ts';
import { ConfigWatch } from './config-watch.ts';
import { ToolGateError } from './errors.ts';

t.test('upstreams of a changed file are taken over; the rest waits for a restart; a broken file changes nothing', async (t) => {
	const file = join(mkdtempSync(join(tmpdir(), 'toolgate-config-')), 'toolgate.yaml');
	const a = 'upstreams:\n  a: { url: http://127.0.0.1:1/mcp }\n';
	writeFileSync(file, a);
	const applied: Config['upstreams'][] = [];
	const news: string[] = [];
	let heard = Promise.withResolvers<string>();
	let refusal: Error | undefined;
	const load = () => loadConfig(file, {});
	const watch = new ConfigWatch({
		loaded: load(),
		load,
		apply: async (upstreams) => {
			if (refusal !== undefined) throw refusal;
			applied.push(upstreams);
		},
		onNews: (text) => {
			news.push(text);
			heard.resolve(text);
		},
		onFault: (error) => t.fail(String(error)),
	});
	await watch.start();
	t.teardown(() => watch.close());
	const after = async (text: string) => {
		heard = Promise.withResolvers();
		writeFileSync(`${file}.new`, text);
		renameSync(`${file}.new`, file);
		return heard.promise;
	};
	const both = `${a}  b: { command: x }\n`;
	t.equal(await after(both), 'configuration: upstreams: added b; tools are listed as <upstream>__<tool> now');
	t.strictSame(Object.keys(applied.at(-1)!), ['a', 'b']);
	t.match(
		await after(`${both}  c: 4\n`),
		/^configuration: the changed file is not taken over: .*:4: upstreams.c: expected keys and values$/,
	);
	t.equal(await after(`${both}limits: { jsonDepth: 32 }\n`), 'configuration: limits changed; that takes effect with the next start');
	t.equal(applied.length, 1);
	const limits = 'limits: { jsonDepth: 32 }\n';
	refusal = new ToolGateError('CONFIG', 'upstreams.b: no');
	t.equal(await after(`${a}${limits}`), 'configuration: the changed file is not taken over: upstreams.b: no');
	refusal = undefined;
	await after(`${a.replace(':1/', ':2/')}${limits}`);
	t.equal(news.at(-1), 'configuration: upstreams: removed b; changed a; tools are listed by their own names now');
	t.strictSame(applied.at(-1)?.['a']?.url, 'http://127.0.0.1:2/mcp');
});

t.test('without a file there is nothing to watch', async () => {
	const loaded = { config: loadConfig(undefined, {}).config, file: undefined, origins: new Map() };
	const watch = new ConfigWatch({ loaded, load: () => loaded, apply: async () => {}, onNews: () => {}, onFault: () => {} });
	await watch.start();
	await watch.close();
});

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import { builtins } from '../../src/policy/builtins/index.ts';
import { gatewayCapabilities } from './capabilities.ts';

const capabilities = await gatewayCapabilities();
const names = (JSON.parse(capabilities) as { builtins: { name: string }[] }).builtins.map(({ name }) => name);

t.test('the committed capabilities are what the gateway provides', async (t) => {
	const committed = await readFile(join(import.meta.dirname, '../../../policy/capabilities.json'), 'utf8');
	t.equal(committed, capabilities, 'run npm run policy:capabilities');
});

t.test('every builtin of the gateway is one that OPA knows by this name', async (t) => {
	t.strictSame(
		Object.keys(builtins).filter((name) => !names.includes(name)),
		[],
	);
});

t.test('builtins that reach out, or answer differently each time, are not to be had', async (t) => {
	for (const name of ['http.send', 'net.lookup_ip_addr', 'opa.runtime', 'rand.intn', 'uuid.rfc4122']) t.notOk(names.includes(name), name);
	for (const name of ['glob.match', 'regex.match', 'plus', 'walk', 'internal.member_2']) t.ok(names.includes(name), `${name} is native`);
});

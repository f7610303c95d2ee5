import { createHash } from 'node:crypto';
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { dirname, join } from 'node:path';
import t, { type Test } from 'tap';
import { OPA_VERSION, OpaMissing, opaPath, runOpa } from './index.ts';

/** A program that says it is OPA of some version. */
const fakeOpa = (version: string): string => `#!/bin/sh\necho "Version: ${version}"\n`;

function put(path: string, text: string): string {
	mkdirSync(dirname(path), { recursive: true });
	writeFileSync(path, text);
	chmodSync(path, 0o755);
	return path;
}

/** A download site that answers each path by its ending. Returns its address. */
async function site(t: Test, answer: (path: string) => string | undefined): Promise<string> {
	const server = createServer((request, response) => {
		const body = answer(request.url!);
		response.writeHead(body === undefined ? 404 : 200).end(body);
	});
	await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
	t.teardown(() => server.close());
	return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');
const silent = (): void => undefined;

t.test('the variable OPA comes first, and a wrong one is an error that names it', async (t) => {
	const home = t.testdir();
	const right = put(join(home, 'right/opa'), fakeOpa(OPA_VERSION));
	const wrong = put(join(home, 'wrong/opa'), fakeOpa('0.50.0'));
	t.equal(await opaPath({ env: { OPA: right, PATH: '/usr/bin:/bin' } }), right);
	await t.rejects(opaPath({ env: { OPA: wrong, PATH: dirname(right) } }), {
		name: 'OpaMissing',
		message: `${wrong} is OPA 0.50.0; expected OPA ${OPA_VERSION}`,
	});
	await t.rejects(opaPath({ env: { OPA: join(home, 'none') } }), { message: /not an OPA that runs here/ });
});

t.test('on PATH another version is passed over, and the cache comes after', async (t) => {
	const home = t.testdir();
	const wrong = put(join(home, 'wrong/opa'), fakeOpa('1.0.0'));
	const right = put(join(home, 'right/opa'), fakeOpa(OPA_VERSION));
	const cached = put(join(home, `cache/toolgate/opa-${OPA_VERSION}/opa`), fakeOpa(OPA_VERSION));
	t.equal(await opaPath({ env: { PATH: `${dirname(wrong)}:${dirname(right)}`, HOME: home } }), right);
	t.equal(await opaPath({ env: { PATH: dirname(wrong), HOME: home, XDG_CACHE_HOME: join(home, 'cache') } }), cached);
});

t.test('a new machine downloads the official build, and only with its published digest', async (t) => {
	const home = t.testdir();
	const program = fakeOpa(OPA_VERSION);
	const downloads = await site(t, (path) => (path.endsWith('.sha256') ? `${sha256(program)}  opa_any` : program));
	const path = await opaPath({ env: { PATH: '', HOME: home }, downloads, progress: silent });
	t.equal(path, join(home, `.cache/toolgate/opa-${OPA_VERSION}/opa`));
	t.equal(readFileSync(path, 'utf8'), program);

	const forged = await site(t, (path) => (path.endsWith('.sha256') ? sha256('something else') : program));
	const other = t.testdir({ bin: {} });
	await t.rejects(
		opaPath({ env: { PATH: '', HOME: join(other, 'forged') }, downloads: forged, progress: silent }),
		OpaMissing,
		'an altered download is not used',
	);
});

t.test('where nothing can be downloaded, go builds it; where go is missing too, the error says what to do', async (t) => {
	const home = t.testdir();
	const downloads = await site(t, () => undefined);
	// Stands for the Go toolchain: writes what `go install` would, into GOBIN.
	const go = put(
		join(home, 'bin/go'),
		`#!/bin/sh\n[ "$2" = github.com/open-policy-agent/opa@v${OPA_VERSION} ] || exit 1\nprintf '#!/bin/sh\\necho Version: ${OPA_VERSION}\\n' > "$GOBIN/opa"\n/bin/chmod 755 "$GOBIN/opa"\n`,
	);
	const steps: string[] = [];
	const built = await opaPath({ env: { PATH: dirname(go), HOME: home }, downloads, progress: (line) => steps.push(line) });
	t.match(built, /opa-.*opa$/);
	t.match(steps, [/downloading/, /answered 404/, /go install/, /is in/]);
	await t.rejects(opaPath({ env: { PATH: '', HOME: join(home, 'empty') }, downloads, progress: silent }), {
		name: 'OpaMissing',
		message: /answered 404; go is not installed\). Put it on PATH, or name it: OPA=/,
	});
});

t.test('an exit code is a value', async (t) => {
	t.match(await runOpa(['version']), { code: 0, stdout: new RegExp(`Version: ${OPA_VERSION}`) });
	t.match(await runOpa(['no-such-command']), { code: 1, stderr: /unknown command/ });
});

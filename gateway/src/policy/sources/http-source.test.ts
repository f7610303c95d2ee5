import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { until } from '../../../test/until.ts';
import { HttpSource, type HttpSourceOptions } from './http-source.ts';

/** A bundle service: what it holds, and how it behaves at the moment. */
class BundleServer {
	url = '';
	bundle: { readonly bytes: Buffer; readonly etag: string } | undefined;
	/** Says that it can hold requests, and does. */
	holds = false;
	/** Takes the place of the usual answer. */
	mood: RequestListener | undefined;
	readonly requests: { readonly headers: IncomingMessage['headers']; readonly atMs: number }[] = [];
	readonly #waiting: (() => void)[] = [];

	publish(text: string): void {
		this.bundle = { bytes: Buffer.from(text), etag: `"${text}"` };
		for (const go of this.#waiting.splice(0)) go();
	}

	readonly answer = (request: IncomingMessage, response: ServerResponse): void => {
		this.requests.push({ headers: request.headers, atMs: performance.now() });
		if (this.mood !== undefined) {
			this.mood(request, response);
			return;
		}
		const isKnown = request.headers['if-none-match'] === this.bundle?.etag;
		const wait = /;wait=(\d+)$/.exec(request.headers.prefer as string)?.[1];
		if (isKnown && this.holds && wait !== undefined) {
			this.#waiting.push(() => this.#send(response));
			return;
		}
		if (isKnown) response.writeHead(304, { etag: this.bundle!.etag }).end();
		else this.#send(response);
	};

	#send(response: ServerResponse): void {
		if (this.bundle === undefined) return void response.writeHead(404).end('nothing here');
		response
			.writeHead(200, {
				etag: this.bundle.etag,
				'content-type': this.holds ? 'application/vnd.openpolicyagent.bundles' : 'application/gzip',
			})
			.end(this.bundle.bytes);
	}

	get last(): IncomingMessage['headers'] {
		return this.requests.at(-1)!.headers;
	}
}

async function serve(t: Test): Promise<BundleServer> {
	const bundles = new BundleServer();
	const server = createServer(bundles.answer);
	await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
	t.teardown(() => {
		server.closeAllConnections();
		server.close();
	});
	bundles.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/bundles/toolgate`;
	return bundles;
}

interface Watched {
	readonly source: HttpSource;
	/** What the listener was told, in order, `unchanged` only the first time in a row. */
	readonly told: string[];
}

async function watch(t: Test, { url }: BundleServer, options: Partial<HttpSourceOptions> = {}): Promise<Watched> {
	const source = new HttpSource({ url, minDelayMs: 5, maxDelayMs: 10, timeoutMs: 2_000, isPersisted: false, ...options });
	const told: string[] = [];
	t.teardown(() => source.close());
	await source.watch({
		found: async (packed) => void told.push(Buffer.from(packed).toString()),
		unchanged: () => void (told.at(-1) === 'unchanged' || told.push('unchanged')),
		failed: async (why) => void (told.at(-1) === why || told.push(why)),
	});
	return { source, told };
}

t.test('a bundle is downloaded once, and again when it has changed', async (t) => {
	const server = await serve(t);
	server.publish('one');
	const { told, source } = await watch(t, server);
	await until('a 304', () => told.includes('unchanged'));
	t.equal(server.requests[0]!.headers.prefer, 'modes=snapshot');
	t.notOk('if-none-match' in server.requests[0]!.headers);
	t.equal(server.last['if-none-match'], '"one"');
	server.publish('two');
	await until('the new one', () => told.includes('two'));
	await until('a 304 again', () => told.at(-1) === 'unchanged');
	t.strictSame(told, ['one', 'unchanged', 'two', 'unchanged']);
	t.equal(Buffer.from(await source.read()).toString(), 'two', 'asked outright, it is downloaded whatever is known');
});

t.test('a service that can hold a request is left to do so', async (t) => {
	const server = await serve(t);
	server.holds = true;
	server.publish('one');
	const { told } = await watch(t, server, { longPollMs: 30_000, minDelayMs: 60_000, maxDelayMs: 60_000 });
	await until('a held request', () => server.requests.length === 2);
	t.equal(server.last.prefer, 'modes=snapshot;wait=30');
	t.equal(server.last['if-none-match'], '"one"');
	server.publish('two');
	await until('the new one', () => told.includes('two'));
	await until('it is asked again at once', () => server.requests.length === 3);
	t.strictSame(told, ['one', 'two']);

	server.holds = false;
	server.publish('three');
	await until('the last one', () => told.includes('three'));
	t.equal(server.requests.length, 3, 'a service that no longer says so is asked at intervals');
});

t.test('a service that holds nothing back, although it says so, is not stormed', async (t) => {
	const server = await serve(t);
	server.mood = (request, response) =>
		response
			.writeHead(request.headers['if-none-match'] === undefined ? 200 : 304, {
				etag: '"x"',
				'content-type': 'application/vnd.openpolicyagent.bundles',
			})
			.end();
	await watch(t, server, { longPollMs: 30_000 });
	await until('three requests', () => server.requests.length === 3);
	t.ok(server.requests[2]!.atMs - server.requests[1]!.atMs > 400);
});

t.test('whatever a service does wrong is said, tried again ever less often, and over when it is over', async (t) => {
	const server = await serve(t);
	const cases: [RequestListener, RegExp, Partial<HttpSourceOptions>?][] = [
		[(_, response) => response.writeHead(500).end('oh'), /^http:\/\/127\.0\.0\.1:\d+\/bundles\/toolgate: HTTP 500$/],
		[(_, response) => response.writeHead(401).end(), /HTTP 401$/],
		[(_, response) => response.writeHead(302, { location: 'http://127.0.0.1:1/' }).end(), /HTTP 302; redirects are not followed$/],
		[(_, response) => response.writeHead(304).end(), /^unchanged$/],
		[(request) => request.socket.destroy(), /UND_ERR_SOCKET|ECONNRESET/],
		[() => {}, /no answer in time$/, { timeoutMs: 1_000 }],
		[
			(_, response) => void response.writeHead(200, { 'content-length': 100 }).write('half', () => response.destroy()),
			/the download broke off/,
		],
		[(_, response) => response.writeHead(200, { 'content-length': 51 }).end('x'.repeat(51)), /51 bytes, at most 50$/, { maxBytes: 50 }],
		[
			(_, response) => {
				response.writeHead(200);
				for (let sent = 0; sent < 100; sent++) response.write('x');
				response.end();
			},
			/more than 50 bytes$/,
			{ maxBytes: 50 },
		],
	];
	for (const [mood, message, options] of cases) {
		server.mood = mood;
		server.publish('good');
		const { told, source } = await watch(t, server, options);
		await until(String(message), () => told.some((line) => message.test(line)), 20_000);
		server.mood = undefined;
		await until('the bundle', () => told.includes('good'));
		await source.close();
	}

	server.mood = (_, response) => response.writeHead(503).end();
	server.requests.length = 0;
	await watch(t, server, { maxDelayMs: 60_000 });
	await until('five attempts', () => server.requests.length === 5);
	const pauses = server.requests.slice(1).map(({ atMs }, index) => atMs - server.requests[index]!.atMs);
	t.ok(pauses[0]! >= 79 && pauses[3]! >= 320, `${pauses.map(Math.round)} ms between attempts`);
});

t.test('a service that is not there is a problem, not a hang', async (t) => {
	const server = await serve(t);
	const { told } = await watch(t, Object.assign(new BundleServer(), { url: server.url.replace(/:\d+/, ':1') }));
	t.match(told[0], /127\.0\.0\.1:1\/bundles\/toolgate: ECONNREFUSED$/);
	server.mood = () => {};
	const began = performance.now();
	const { source } = await watch(t, server, { timeoutMs: 60_000 });
	t.ok(performance.now() - began < 20_000, 'a start does not wait for it');
	await t.rejects(Promise.all([source.read(), source.close()]), { code: 'BUNDLE' }, 'closing ends what is under way');
});

t.test('a token is sent, from a file as it stands at the moment', async (t) => {
	const server = await serve(t);
	server.publish('one');
	const { source } = await watch(t, server, { token: { text: 'abc' }, headers: { 'x-tenant': 'a' } });
	t.match(server.last, { authorization: 'Bearer abc', 'x-tenant': 'a' });
	await source.close();
	const file = join(t.testdir({ token: 'first\n' }), 'token');
	const fromFile = await watch(t, server, { token: { file } });
	t.equal(server.last.authorization, 'Bearer first');
	writeFileSync(file, 'second');
	await until('the new token', () => server.last.authorization === 'Bearer second');
	const missing = await watch(t, server, { token: { file: `${file}-not-there` } });
	t.match(missing.told[0], /the token can't be read \(ENOENT\)/);
	await fromFile.source.close();
});

/** A certificate that signs itself, for 127.0.0.1. */
function selfSigned(folder: string, name: string): { cert: string; key: string } {
	const [cert, key] = [join(folder, `${name}.pem`), join(folder, `${name}.key`)];
	execFileSync(
		'openssl',
		[
			'req',
			'-x509',
			'-newkey',
			'ec',
			'-pkeyopt',
			'ec_paramgen_curve:prime256v1',
			'-nodes',
			'-keyout',
			key,
			'-out',
			cert,
			'-days',
			'2',
			'-subj',
			`/CN=${name}`,
			'-addext',
			'subjectAltName=IP:127.0.0.1',
		],
		{ stdio: 'ignore' },
	);
	return { cert: readFileSync(cert, 'utf8'), key: readFileSync(key, 'utf8') };
}

const hasOpenssl = (() => {
	try {
		execFileSync('openssl', ['version'], { stdio: 'ignore' });
		return true;
	} catch {
		return false;
	}
})();

t.test(
	'both sides show a certificate, and only the right ones do',
	{ skip: hasOpenssl ? false : 'openssl is not installed' },
	async (t) => {
		const folder = t.testdir();
		const [service, gateway, stranger] = [selfSigned(folder, 'service'), selfSigned(folder, 'gateway'), selfSigned(folder, 'stranger')];
		const bundles = new BundleServer();
		bundles.publish('one');
		const server = createTlsServer({ ...service, ca: gateway.cert, requestCert: true, rejectUnauthorized: true }, bundles.answer);
		await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
		t.teardown(() => {
			server.closeAllConnections();
			server.close();
		});
		bundles.url = `https://127.0.0.1:${(server.address() as AddressInfo).port}/b`;
		const told = async (tls: NonNullable<HttpSourceOptions['tls']>) => (await watch(t, bundles, { tls })).told[0];
		t.equal(await told({ ca: service.cert, ...gateway }), 'one');
		t.match(await told({ ca: service.cert }), /\/b: (?!no answer)/);
		t.match(await told({ ca: service.cert, ...stranger }), /\/b: (?!no answer)/);
		t.match(await told({ ...gateway }), /SELF_SIGNED/);
		t.match(await told({ ca: stranger.cert, ...gateway }), /SELF_SIGNED|UNABLE_TO_VERIFY/);
		t.equal(bundles.requests.filter(({ headers }) => headers['if-none-match'] === undefined).length, 1, 'nobody else got as far as asking');
	},
);

import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import t, { type Test } from 'tap';
import type { Deployment } from '../deployment.ts';
import { databaseServer, embeddedDatabase, type Part, partsOf } from '../parts.ts';
import { Board } from './board.ts';

/** A part whose looks and switches end when the test says so. */
function scene() {
	const looks: ((why?: string) => void)[] = [];
	const switches: ((error?: Error) => void)[] = [];
	const acts: string[] = [];
	const part: Part = {
		name: 'mock-lark',
		url: 'http://127.0.0.1',
		isSwitchable: true,
		look: () => new Promise((resolve) => looks.push((why) => resolve(why))),
	};
	const act = (verb: string) => () => {
		acts.push(verb);
		return new Promise<void>((resolve, reject) => switches.push((error) => (error === undefined ? resolve() : reject(error))));
	};
	const deployment: Pick<Deployment, 'parts' | 'stop' | 'start'> = { parts: [part], stop: act('stop'), start: act('start') };
	const board = new Board(deployment, () => undefined);
	/** Until everything that can go on has gone on. */
	const settle = () => new Promise((resolve) => setImmediate(resolve));
	return { board, looks, switches, acts, settle, row: () => board.views()[0]! };
}

t.test('what was seen before a stop says nothing after it, and a look while something changes is not begun', async (t) => {
	const { board, looks, switches, settle, row } = scene();
	const early = board.refresh();
	t.equal(looks.length, 1);
	const stopped = board.stop('mock-lark');
	await settle();
	t.match(row(), { isChanging: true });
	await board.refresh();
	t.equal(looks.length, 1, 'a refresh leaves it alone');
	switches.shift()!();
	await settle();
	t.equal(looks.length, 2, 'it is looked at when it is gone');
	looks[1]!('it does not answer');
	await stopped;
	t.match(row(), { state: 'down', why: 'stopped here', isChanging: false });
	looks[0]!();
	await early;
	t.match(row(), { state: 'down', why: 'stopped here' }, 'the early look has seen what is no longer so');
});

t.test('stops and starts of one part come one after the other, and one that fails is told and is over', async (t) => {
	const { board, looks, switches, acts, settle, row } = scene();
	const stopped = board.stop('mock-lark');
	const started = board.start('mock-lark');
	await settle();
	t.strictSame(acts, ['stop']);
	switches.shift()!(new Error('it would not'));
	await settle();
	looks.shift()!();
	await t.rejects(stopped, { message: 'it would not' });
	t.equal(board.isStopped('mock-lark'), false);
	await settle();
	t.strictSame(acts, ['stop', 'start']);
	switches.shift()!();
	await settle();
	looks.shift()!();
	await started;
	t.match(row(), { state: 'up', isChanging: false, why: undefined });
});

async function answering(t: Test, status: number, body: object): Promise<string> {
	const server = createServer((_request, response) => response.writeHead(status).end(JSON.stringify(body)));
	await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
	t.teardown(() => server.close());
	return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

t.test('why a part is not well is one phrase: a service, the gateway, its database, a database server', async (t) => {
	const store = (isReady: boolean) => ({ parts: [{ part: 'store', isReady, isVital: true, says: isReady ? 'fine' : 'it is away' }] });
	const [well, ill, odd] = [await answering(t, 200, store(true)), await answering(t, 503, store(false)), await answering(t, 404, {})];
	const nobody = 'http://127.0.0.1:1';
	const look = (url: string) => {
		const urls = { localstripe: url, 'mock-lark': url, 'localstripe-mcp': url, gateway: `${url}/mcp`, 'eval-trigger': url };
		return partsOf(urls, url, embeddedDatabase(`${url}/readyz`))
			.find(({ name }) => name === 'gateway')!
			.look();
	};
	t.equal(await look(well), undefined);
	t.equal(await look(ill), 'store: it is away');
	t.equal(await look(odd), 'it answers 404');
	t.equal(await look(nobody), 'it does not answer');
	t.equal(await embeddedDatabase(well).look(), undefined);
	t.equal(await embeddedDatabase(ill).look(), 'it is away');
	t.equal(await embeddedDatabase(nobody).look(), 'it lives in the gateway: it does not answer');
	const server = databaseServer('postgres://gateway:secret@127.0.0.1:1/gateway');
	t.equal(server.url, 'postgres://127.0.0.1:1/gateway', 'without its password');
	t.equal(await server.look(), 'it does not answer');
});

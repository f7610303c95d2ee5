import { createServer } from 'node:http';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { eachStore } from '../../test/stores.ts';
import { until } from '../../test/until.ts';
import { anAdmission, anEvent, aProcess, keys } from '../ledger-fixture.ts';
import { type Checkpoint, checkpointSigner, readCheckpoint, readPublicKeys, writeCheckpoint, wrongSignature } from './checkpoint.ts';
import { checkpointSink } from './checkpoint-sink.ts';
import { type CheckpointsOptions, createCheckpoints } from './checkpoints.ts';
import { createTrail } from './trail.ts';

const signer = checkpointSigner(keys.checkpointSeed);
const head = { kind: 'head', stream: 's', sequence: 7, hash: 'ab'.repeat(32), timeMs: 1 } as const;

t.test('a checkpoint is signed by the key of the deployment, and nothing of it can be changed', async (t) => {
	const checkpoint = signer.sign(head);
	t.equal(wrongSignature(checkpoint, [signer]), undefined);
	t.same(readCheckpoint(writeCheckpoint(checkpoint)), checkpoint);
	const changes: Partial<Checkpoint>[] = [{ sequence: 6 }, { hash: 'cd'.repeat(32) }, { stream: 't' }, { kind: 'cut' }, { timeMs: 2 }];
	for (const change of changes)
		t.equal(wrongSignature({ ...checkpoint, ...change }, [signer]), 'its signature is wrong', JSON.stringify(change));
	const other = checkpointSigner(Buffer.alloc(32, 1));
	t.match(wrongSignature(other.sign(head), [signer]), /another key/);
	t.equal(wrongSignature({ ...other.sign(head), keyId: signer.id }, [signer]), 'its signature is wrong');
	for (const line of ['', '[]', '{}', '{"version":2}', writeCheckpoint({ ...checkpoint, hash: 'AB' })])
		t.type(readCheckpoint(line), 'string', line);
});

t.test('public keys are read from what others are given', async (t) => {
	const other = checkpointSigner(Buffer.alloc(32, 1));
	t.same(
		readPublicKeys(`# two\n${signer.pem}${other.pem}`, 'keys.pem').map(({ id }) => id),
		[signer.id, other.id],
	);
	for (const text of ['', 'nonsense', signer.pem.replace(/\n.*\n/, '\nAAAA\n')])
		t.throws(() => readPublicKeys(text, 'keys.pem'), { code: 'BAD_INPUT', message: /^keys\.pem: / });
});

function aFolder(t: Test): string {
	const folder = mkdtempSync(join(tmpdir(), 'toolgate-checkpoints-'));
	t.teardown(() => rmSync(folder, { recursive: true, force: true }));
	return folder;
}

function started(t: Test, process: Pick<CheckpointsOptions, 'sql'> & { stream: string }, options: Partial<CheckpointsOptions> = {}) {
	const news: string[] = [];
	const checkpoints = createCheckpoints({
		sql: process.sql,
		stream: () => process.stream,
		signer,
		onNews: (text) => news.push(text),
		onFault: (error) => t.fail(String(error)),
		everyMs: 3_600_000,
		...options,
	});
	t.teardown(() => checkpoints.close());
	return { checkpoints, news };
}

const linesOf = (file: string): Checkpoint[] =>
	readFileSync(file, 'utf8')
		.split('\n')
		.slice(0, -1)
		.map((line) => readCheckpoint(line) as Checkpoint);

t.test('heads that moved are signed, to the table and the second place, after so many events, and on drain', (t) =>
	eachStore(t, async (t, database) => {
		const process = await aProcess(database);
		const file = join(aFolder(t), 'checkpoints.jsonl');
		const { checkpoints, news } = started(t, process, { sink: checkpointSink(file), everyEvents: 3 });
		const admission = await anAdmission(t, process, { onWritten: (count) => checkpoints.written(count) });
		const write = () => admission.refuse(anEvent({ kind: 'refusal' }));
		await write();
		await write();
		t.notOk(existsSync(file), 'two events are not yet a reason');
		await write();
		await until('a checkpoint of three events', () => existsSync(file) && linesOf(file).length === 1);
		await checkpoints.sign();
		await checkpoints.tell();
		t.match(linesOf(file), [{ sequence: 3, stream: process.stream }], 'a head that did not move is not signed again');
		await write();
		await checkpoints.close();
		t.match(
			linesOf(file).map(({ sequence }) => sequence),
			[3, 4],
		);
		for (const checkpoint of linesOf(file)) t.equal(wrongSignature(checkpoint, [signer]), undefined);
		t.match(await createTrail(process.sql, [signer]).verify(), { isIntact: true, unsigned: 0, events: 4 });
		t.same(news, []);
	}),
);

t.test('the head of a dead process is signed by one that lives, of a living one by itself', (t) =>
	eachStore(t, async (t, database) => {
		const [one, two] = [await aProcess(database), await aProcess(database)];
		for (const process of [one, two]) await (await anAdmission(t, process)).refuse(anEvent({ kind: 'refusal' }));
		const { checkpoints } = started(t, one);
		await checkpoints.sign();
		const signed = async () => (await one.sql.query<{ stream: string }>('SELECT stream FROM checkpoints', [])).map(({ stream }) => stream);
		t.same(await signed(), [one.stream]);
		await one.sql.query('UPDATE processes SET lease_until = clock_timestamp() WHERE id = $1', [two.stream]);
		await checkpoints.sign();
		t.same((await signed()).sort(), [one.stream, two.stream].sort());
	}),
);

t.test('a second place that fails is told once, delays nothing, and gets everything when it is back', (t) =>
	eachStore(t, async (t, database) => {
		const process = await aProcess(database);
		const file = join(aFolder(t), 'not-yet', 'checkpoints.jsonl');
		const { checkpoints, news } = started(t, process, { sink: checkpointSink(file) });
		const admission = await anAdmission(t, process);
		for (let n = 0; n < 3; n++) {
			await admission.refuse(anEvent({ kind: 'refusal' }));
			await checkpoints.sign();
			await checkpoints.tell();
		}
		t.match(news, [/can not be written to .*checkpoints\.jsonl \(ENOENT/]);
		t.match(checkpoints.problem, /ENOENT/);
		mkdirSync(join(file, '..'));
		await checkpoints.tell();
		t.match(
			linesOf(file).map(({ sequence }) => sequence),
			[1, 2, 3],
		);
		t.match(news[1], /again/);
		t.equal(checkpoints.problem, undefined);
	}),
);

t.test('checkpoints are posted to an endpoint, with the credentials of its URL; what it refuses is kept', async (t) => {
	const got: { authorization: string | undefined; body: string }[] = [];
	let status = 503;
	const server = createServer(async (request, response) => {
		let body = '';
		for await (const chunk of request) body += String(chunk);
		if (status < 300) got.push({ authorization: request.headers.authorization, body });
		response.writeHead(status).end('thanks');
	});
	server.listen(0, '127.0.0.1');
	await once(server, 'listening');
	t.teardown(() => server.close());
	const sink = checkpointSink(`http://me:s%3Acret@127.0.0.1:${(server.address() as AddressInfo).port}/in?x=1`);
	t.match(sink.name, /^http:\/\/127\.0\.0\.1:\d+\/in$/, 'named without credentials');
	await t.rejects(sink.write(['{}']), { message: 'it answered HTTP 503' });
	status = 204;
	await sink.write(['{"a":1}', '{"b":2}']);
	t.same(got, [{ authorization: `Basic ${Buffer.from('me:s:cret').toString('base64')}`, body: '{"a":1}\n{"b":2}\n' }]);
});

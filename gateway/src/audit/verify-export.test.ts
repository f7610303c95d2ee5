import { createHash, randomUUID } from 'node:crypto';
import t, { type Test } from 'tap';
import { secondVerifier } from '../../test/second-verifier.ts';
import { eachStore, type FreshDatabase } from '../../test/stores.ts';
import { canonicalJson } from '../canonical-json.ts';
import type { JsonObject } from '../domain.ts';
import { aCharge, anAdmission, anEvent, aProcess, aRequest, aSettlement, keys } from '../ledger-fixture.ts';
import { type Checkpoint, checkpointSigner, writeCheckpoint } from './checkpoint.ts';
import { createCheckpoints } from './checkpoints.ts';
import { exportTrail } from './export.ts';
import { verifyExport } from './verify-export.ts';

const signer = checkpointSigner(keys.checkpointSeed);
const forger = checkpointSigner(Buffer.alloc(32, 9));
const HOUR_MS = 3_600_000;

interface EventLine {
	stream: string;
	sequence: number;
	admission: string;
	hash: string;
	event: JsonObject;
}

/** An export taken apart, for whoever wants to tamper with it. */
interface Parts {
	header: { exportedAtMs: number; streams: { stream: string; sequence: number; hash: string }[] };
	checkpoints: Checkpoint[];
	events: EventLine[];
	end: { events: number };
	/** What the second place holds: nobody can change it. */
	readonly secondPlace: readonly Checkpoint[];
}

/** Two processes, 12 and 5 events of which the last are not signed yet, as they are exported an hour later. */
async function anExport(t: Test, database: FreshDatabase): Promise<Parts> {
	const timeMs = Date.now() - HOUR_MS;
	const sqls = [];
	for (const count of [12, 5]) {
		const process = await aProcess(database);
		sqls.push(process.sql);
		const admission = await anAdmission(t, process);
		const checkpoints = createCheckpoints({
			...process,
			stream: () => process.stream,
			signer,
			onNews: () => undefined,
			onFault: (error) => t.fail(String(error)),
			everyMs: HOUR_MS,
		});
		for (let n = 1; n <= count; n++) {
			if (n % 4 === 0) {
				const request = aRequest([aCharge({ key: `k${count}`, limit: 15, cost: 10 })], { timeMs });
				const { kind } = await admission.admit(request);
				if (kind === 'granted' && n < count) {
					await admission.settle(aSettlement(request));
					n++;
				}
			} else
				await admission.refuse(
					anEvent({
						kind: 'refusal',
						timeMs,
						message: `event ${n} "quoted", ünï\u2028 \ud83d\ude00`,
						detail: { b: 1, a: [0.5, 1e21, null, true] },
					}),
				);
			if (n === 3 || n === 9 || n === 5) await checkpoints.sign();
		}
		// Signed in the second place an hour before the export, and by the table's own account too.
		await checkpoints.close();
	}
	const lines = await exported(sqls[0]!);
	const parts = partsOf(lines.join(''), []);
	return {
		...parts,
		secondPlace: parts.checkpoints.map((each) =>
			signer.sign({ kind: each.kind, stream: each.stream, sequence: each.sequence, hash: each.hash, timeMs }),
		),
	};
}

async function exported(
	sql: Parameters<typeof exportTrail>[0],
	options: Partial<Parameters<typeof exportTrail>[1]> = {},
): Promise<string[]> {
	const lines: string[] = [];
	for await (const text of exportTrail(sql, { format: 'jsonl', keyId: signer.id, ...options })) lines.push(text);
	return lines;
}

function partsOf(text: string, secondPlace: readonly Checkpoint[]): Parts {
	const lines = text
		.split('\n')
		.slice(0, -1)
		.map((line) => JSON.parse(line));
	return {
		header: lines[0].export,
		checkpoints: lines.flatMap((line) => line.checkpoint ?? []),
		events: lines.filter((line) => line.event),
		end: lines.at(-1).end,
		secondPlace,
	};
}

const textOf = ({ header, checkpoints, events, end }: Parts): string =>
	[
		JSON.stringify({ export: header }),
		...checkpoints.map((each) => `{"checkpoint":${writeCheckpoint(each)}}`),
		...events.map(({ event, ...place }) => `${JSON.stringify(place).slice(0, -1)},"event":${canonicalJson(event)}}`),
		JSON.stringify({ end }),
		'',
	].join('\n');

/** Makes hashes, heads and the count fit again, as whoever knows the format would. */
function chainAnew(parts: Parts): Parts {
	const heads = new Map<string, { stream: string; sequence: number; hash: string }>();
	for (const line of parts.events) {
		const before = heads.get(line.stream)?.hash ?? '0'.repeat(64);
		line.hash = createHash('sha256')
			.update(Buffer.from(before, 'hex'))
			.update(createHash('sha256').update(canonicalJson(line.event)).digest())
			.update(line.admission)
			.digest('hex');
		heads.set(line.stream, { stream: line.stream, sequence: line.sequence, hash: line.hash });
	}
	parts.header.streams = [...heads.values()];
	parts.end.events = parts.events.length;
	return parts;
}

const signedAnew = (parts: Parts, by = forger): Parts => {
	const hashOf = new Map(parts.events.map(({ stream, sequence, hash }) => [`${stream} ${sequence}`, hash]));
	parts.checkpoints = parts.checkpoints
		.filter(({ stream, sequence }) => hashOf.has(`${stream} ${sequence}`))
		.map(({ kind, stream, sequence, timeMs }) => by.sign({ kind, stream, sequence, timeMs, hash: hashOf.get(`${stream} ${sequence}`)! }));
	return parts;
};

async function* bytesOf(text: string): AsyncGenerator<Uint8Array> {
	const bytes = Buffer.from(text);
	// Pieces that end anywhere.
	for (let at = 0; at < bytes.length; at += 1_000) yield bytes.subarray(at, at + 1_000);
}

const verified = (text: string, parts: Parts, { isAlone = false } = {}) =>
	verifyExport(bytesOf(text), {
		keys: isAlone ? [] : [signer],
		checkpoints: isAlone ? [] : [{ name: 'second.jsonl', text: parts.secondPlace.map(writeCheckpoint).join('\n') }],
	});
const second = (text: string, parts: Parts) => secondVerifier(text, parts.secondPlace.map(writeCheckpoint).join('\n'), signer.pem);

const renumber = (parts: Parts, stream: string) =>
	parts.events.filter((line) => line.stream === stream).forEach((line, n) => (line.sequence = n + 1));
const edit = ({ events }: Parts, at = 6) => void (events[at]!.event['message'] = 'nothing happened');

/** One per class: what is done to an export, and what is said of it. The first stream has 12 events, signed at 3, 5, 9 and 12. */
const corpus: readonly [string, (parts: Parts) => void, RegExp][] = [
	['a body edited', (parts) => edit(parts), /event 7: its hash does not follow/],
	[
		'an admission word edited',
		({ events }) => void (events.find(({ admission }) => admission === 'budgetExceeded')!.admission = 'granted'),
		/event \d+: its hash does not follow/,
	],
	['a hash edited', ({ events }) => void (events[6]!.hash = events[5]!.hash), /event 7: its hash does not follow/],
	['an event deleted', ({ events }) => void events.splice(6, 1), /event 7: missing; event 8 stands/],
	['the first event deleted', ({ events }) => void events.splice(0, 1), /event 1: missing; event 2 stands/],
	['an event repeated', ({ events }) => void events.splice(7, 0, events[6]!), /event 7: stands after event 7/],
	['an event inserted', ({ events }) => void events.splice(7, 0, { ...events[6]!, sequence: 8 }), /event 8: its hash/],
	['two events swapped', ({ events }) => void ([events[6], events[7]] = [events[7]!, events[6]!]), /event 7: missing; event 8/],
	[
		'two events swapped and renumbered',
		({ events }) =>
			void ([events[6], events[7]] = [
				{ ...events[7]!, sequence: 7 },
				{ ...events[6]!, sequence: 8 },
			]),
		/event 7: its hash/,
	],
	[
		'a second event at one place',
		({ events }) => void events.splice(7, 0, { ...events[6]!, hash: '00'.repeat(32) }),
		/event 7: there is a second one: the stream is forked/,
	],
	[
		'a stream that begins twice',
		({ events }) => void events.push(...events.slice(0, 2)),
		/event 1: its stream has ended before: it is forked/,
	],
	['the tail cut off', ({ events }) => void events.splice(10, 2), /event 11: missing: the tail is cut off; a checkpoint signs event 12/],
	[
		'the tail cut off, with head and count',
		(parts) => (parts.events.splice(10, 2), void chainAnew(parts)),
		/event 11: missing: the tail is cut off/,
	],
	[
		'the tail cut off with everything in the export that knew of it',
		(parts) => {
			parts.events.splice(10, 2);
			chainAnew(parts).checkpoints = parts.checkpoints.filter(({ sequence }) => sequence < 11);
		},
		/event 11: missing: the tail is cut off/,
	],
	[
		'a stream left out with everything in the export that knew of it',
		(parts) => {
			const { stream } = parts.events[0]!;
			parts.events = parts.events.filter((line) => line.stream !== stream);
			parts.checkpoints = parts.checkpoints.filter((each) => each.stream !== stream);
			chainAnew(parts);
		},
		/event 1: missing: the tail is cut off; a checkpoint signs event 3/,
	],
	[
		'the beginning cut off at a checkpoint',
		({ events, end }) => (events.splice(0, 3), void (end.events -= 3)),
		/event 1: missing; event 4 stands/,
	],
	['an edit, the chain made anew', (parts) => (edit(parts), void chainAnew(parts)), /event 6: this or one up to event 9 was rewritten/],
	[
		'an edit, chain and checkpoints made anew',
		(parts) => (edit(parts), void signedAnew(chainAnew(parts))),
		/does not count: it is signed by another key/,
	],
	[
		'an edit, chain and checkpoints made anew under the name of the key',
		(parts) => {
			edit(parts);
			signedAnew(chainAnew(parts)).checkpoints = parts.checkpoints.map((each) => ({ ...each, keyId: signer.id }));
		},
		/does not count: its signature is wrong/,
	],
	[
		'an edit, the chain made anew, no checkpoints left',
		(parts) => (edit(parts), void (chainAnew(parts).checkpoints = [])),
		/event 6: this or one up to event 9 was rewritten/,
	],
	[
		'a deletion, the chain made anew',
		(parts) => (parts.events.splice(6, 1), renumber(parts, parts.events[0]!.stream), void chainAnew(parts)),
		/event 6: this or one up to event 9 was rewritten/,
	],
	[
		'a stream inserted',
		(parts) => {
			const stream = `ffffffff${randomUUID().slice(8)}`;
			parts.events.push(...parts.events.slice(0, 2).map((line) => ({ ...line, stream })));
			chainAnew(parts);
		},
		/event 1: it is old, and no checkpoint vouches for it: inserted/,
	],
	[
		'a stream inserted that the header does not list',
		({ events }) => void events.push({ ...events[0]!, stream: `ffffffff${randomUUID().slice(8)}` }),
		/the header doesn't list its stream: inserted/,
	],
	['the count edited', ({ end }) => void (end.events += 1), /the end says 18 events, there are 17/],
];

t.test(
	'an export verifies, by this verifier and by one written from docs/audit-format.md alone; every way of tampering is found at the first bad event',
	(t) =>
		eachStore(t, async (t, database) => {
			const honest = await anExport(t, database);
			const [large, small] = Map.groupBy(honest.events, ({ stream }) => stream).values();
			if (large!.length < small!.length) honest.events = [...small!, ...large!];
			const text = textOf(honest);
			t.match(await verified(text, honest), { isIntact: true, streams: 2, events: 17, unsigned: 0, notes: [] });
			t.equal(second(text, honest), undefined);
			t.match((await verified(text, honest, { isAlone: true })).notes, [/--key/, /--checkpoints/], 'what was not at hand is said');
			for (const [what, tamper, says] of corpus) {
				const parts = { ...structuredClone(honest), secondPlace: honest.secondPlace };
				tamper(parts);
				const tampered = textOf(parts);
				t.match(await verified(tampered, parts), { isIntact: false, problem: says }, what);
				t.type(second(tampered, parts), 'string', `${what}, by the second verifier`);
			}
		}),
);

t.test('a cut-off file, foreign lines, and other files are told from a trail that was tampered with', (t) =>
	eachStore(t, async (t, database) => {
		const honest = await anExport(t, database);
		const text = textOf(honest);
		const lines = text.split('\n');
		const problem = async (changed: string) => (await verified(changed, honest)).problem;
		t.match(await problem(lines.slice(0, -2).join('\n')), /line \d+: missing; the export is truncated/);
		t.match(await problem(text.slice(0, -300)), /line \d+: it is not JSON/);
		t.match(await problem(`${text}${lines.at(-2)}\n`), /something stands after the end/);
		t.match(await problem(lines.toSpliced(4, 0, lines[0]!).join('\n')), /a second header/);
		t.match(await problem(lines.toSpliced(lines.length - 3, 0, lines[1]!).join('\n')), /a checkpoint stands among the events/);
		for (const line of [
			'[]',
			'{"x":1}',
			'{"stream":1,"event":{}}',
			'{"stream":"s","sequence":1,"admission":"","hash":"","more":1,"event":{}}',
		]) {
			t.match(await problem(lines.toSpliced(lines.length - 2, 0, line).join('\n')), /^line \d+: /, line);
		}
		for (const [other, says] of [
			['', /empty/],
			['time,stream\r\n', /line 1: expected the header/],
			['{"export":{"version":2}}\n', /version is 2/],
			['{"export":{"version":1,"exportedAtMs":1,"isWhole":false}}\n', /filtered/],
		] as const) {
			await t.rejects(verified(other, honest), { code: 'BAD_INPUT', message: says });
		}
		t.match(await verified(text.replaceAll('\n', '\r\n'), honest), { isIntact: true }, 'line ends are not part of it');
		const rewritten = text
			.split('\n')
			.map((line) =>
				line === ''
					? ''
					: JSON.stringify(Object.fromEntries(Object.entries(JSON.parse(line)).reverse()), undefined, 1).replaceAll('\n', ' '),
			)
			.join('\n');
		t.match(await verified(rewritten, honest), { isIntact: true }, 'lines that a tool wrote anew');
		const late = {
			...honest,
			secondPlace: [
				...honest.secondPlace,
				signer.sign({ kind: 'head', stream: honest.events[0]!.stream, sequence: 99, hash: 'ab'.repeat(32), timeMs: Date.now() + HOUR_MS }),
			],
		};
		t.match(await verified(text, late), { isIntact: true, notes: [/1 checkpoints are newer/] });
	}),
);

t.test('an export with filters holds what fits, oldest first, and a spreadsheet can do nothing with it but read', (t) =>
	eachStore(t, async (t, database) => {
		const process = await aProcess(database);
		const admission = await anAdmission(t, process);
		const [wanted, other] = [
			anEvent({ kind: 'refusal', timeMs: 2_000, agent: '=HYPERLINK("http://x")', message: 'a "b",\nc' }),
			anEvent({ kind: 'refusal', timeMs: 1_000 }),
		];
		await admission.refuse(wanted);
		await admission.refuse(other);
		const lines = (await exported(process.sql, { filter: { sinceMs: 1_000, untilMs: 3_000 } })).join('').split('\n');
		t.match(
			lines.slice(0, -1).map((line) => JSON.parse(line)),
			[
				{ export: { isWhole: false, filter: { untilMs: 3_000 } } },
				{ event: { id: other.id } },
				{ event: { id: wanted.id } },
				{ end: { events: 2 } },
			],
		);
		const csv = (await exported(process.sql, { format: 'csv', filter: { agent: wanted.agent! } })).join('');
		t.match(csv, /^time,stream,sequence,admission,kind,.*,hash,event\r\n1970-01-01T00:00:02\.000Z,/);
		t.match(csv, `,"'=HYPERLINK(""http://x"")",`);
		t.match(csv, ',"a ""b"",\nc",');
		t.equal((await exported(process.sql, { format: 'csv' })).join('').match(/\r\n/g)?.length, 3);
	}),
);

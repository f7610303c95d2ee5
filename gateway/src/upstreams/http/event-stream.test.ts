import { isDeepStrictEqual } from 'node:util';
import * as fc from 'fast-check';
import t from 'tap';
import { EventStreamParser, EventTooLarge } from './event-stream.ts';

interface Read {
	id?: string;
	retryMs?: number;
	data: string;
}

function read(chunks: (string | Buffer)[], maxEventBytes = 1_000): Read[] {
	const parser = new EventStreamParser(maxEventBytes);
	return chunks.flatMap((chunk) => [...parser.push(Buffer.from(chunk))].map((event) => ({ ...event, data: event.data.toString() })));
}

t.test('fields, comments and line ends as the standard has them', async (t) => {
	t.strictSame(read([': hi\nid: 7\nevent: message\nretry: 250\ndata: one\ndata:two\ndata\n\n']), [
		{ id: '7', retryMs: 250, data: 'one\ntwo\n' },
	]);
	t.strictSame(
		read(['data: a\r\n\r\ndata: b\r\rdata: c\n\n']).map(({ data }) => data),
		['a', 'b', 'c'],
	);
	t.strictSame(read(['\ufeffdata: first\n\n']), [{ data: 'first' }]);
	t.strictSame(read(['\n\n: only\n\nevent: x\n\n']), [], 'nothing said, nothing read');
	t.strictSame(read(['id: 1\n\n']), [{ id: '1', data: '' }], 'an id alone counts');
	t.strictSame(read(['retry: soon\nid: a\0b\ndata:  x\n\n']), [{ data: ' x' }]);
	t.strictSame(read(['data: unfinished\n']), []);
	t.strictSame(read(['data\ndata\n\n']), [{ data: '\n' }]);
});

t.test('however the bytes are cut, the events are the same', async (t) => {
	const line = fc.constantFrom('data: grüße', 'data:', 'data: {"a":1}', 'id: 5', 'retry: 9', ': comment', '', '', 'other: x');
	const end = fc.constantFrom('\n', '\r\n', '\r');
	fc.assert(
		fc.property(fc.array(fc.tuple(line, end), { maxLength: 30 }), fc.array(fc.nat(200), { maxLength: 20 }), (lines, cuts) => {
			const whole = Buffer.from(lines.map((pair) => pair.join('')).join(''));
			const places = [0, ...cuts.map((cut) => Math.min(cut, whole.length)).sort((a, b) => a - b), whole.length];
			const pieces = places.slice(1).map((place, index) => whole.subarray(places[index], place));
			return isDeepStrictEqual(read(pieces), read([whole]));
		}),
		{
			numRuns: 2_000,
			examples: [
				[
					[
						['data:', '\r'],
						['', '\n'],
					],
					[6, 6],
				],
			],
		},
	);
	t.pass();
});

t.test('memory is bounded: by one line, by many lines, by many chunks', async (t) => {
	for (const chunk of ['x'.repeat(100), 'data: xxxxxxxxxxxxxxxxxxxx\n', 'data\n', ': '.padEnd(50)]) {
		const parser = new EventStreamParser(1_000);
		t.throws(() => {
			for (let times = 0; times < 2_000; times++) for (const _ of parser.push(Buffer.from(chunk)));
		}, new EventTooLarge());
	}
	t.equal(read(Array.from({ length: 500 }, () => `: ${'c'.repeat(90)}\n`)).length, 0, 'finished comments take none');
});

import t from 'tap';
import { UnsupportedModule } from '../evaluation-error.ts';
import { meter } from './meter.ts';
import { op } from './opcodes.ts';
import { s32, u32 } from './wasm-bytes.ts';

/** Modules written by hand: the types `(i32) -> i32` and `() -> ()`, an imported host function and memory, and the functions under test. */
type Parts = {
	functions?: { type?: 0 | 1; locals?: number[]; code: number[] }[];
	memory?: number[];
	exports?: string[];
	sections?: [id: number, content: number[]][];
};

const i32 = 0x7f;
const name = (text: string) => [...u32(text.length), ...new TextEncoder().encode(text)];
const list = (items: number[][]) => [...u32(items.length), ...items.flat()];

function build({ functions = [], memory = [0, 1], exports = ['f'], sections = [] }: Parts): Uint8Array {
	const bodies = functions.map(({ locals = [], code }) => {
		const body = [...(locals.length > 0 ? locals : [0]), ...code, op.end];
		return [...u32(body.length), ...body];
	});
	const all: [number, number[]][] = [
		[
			1,
			list([
				[0x60, 1, i32, 1, i32],
				[0x60, 0, 0],
			]),
		],
		[
			2,
			list([
				[...name('env'), ...name('host'), 0, 0],
				[...name('env'), ...name('memory'), 2, ...memory],
			]),
		],
		[3, list(functions.map(({ type = 0 }) => [type]))],
		[7, list(exports.map((exported, i) => [...name(exported), 0, i + 1]))],
		[10, list(bodies)],
		...sections,
	];
	const order = [1, 2, 3, 4, 5, 13, 6, 7, 8, 9, 12, 10, 11, 0];
	all.sort(([a], [b]) => order.indexOf(a) - order.indexOf(b));
	return new Uint8Array([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0, ...all.flatMap(([id, content]) => [id, ...u32(content.length), ...content])]);
}

type Run = (argument: number) => number;

async function load(wasm: Uint8Array, host: Run = (n) => n): Promise<{ f: Run; fuel: WebAssembly.Global; memory: WebAssembly.Memory }> {
	const memory = new WebAssembly.Memory({ initial: 1, maximum: 20 });
	const { exports } = new WebAssembly.Instance(await WebAssembly.compile(wasm), { env: { host, memory } });
	return { f: exports['f'] as Run, fuel: exports['toolgate_fuel'] as WebAssembly.Global, memory };
}

/** The fuel that a function takes. */
async function spent(wasm: Uint8Array, argument: number): Promise<number> {
	const { f, fuel } = await load(meter(wasm));
	fuel.value = 1_000_000;
	f(argument);
	return 1_000_000 - fuel.value;
}

const getArgument = [op.localGet, 0];
const loop = (body: number[]) => [op.loop, 0x40, ...body, op.end];
/** Subtracts 1 from the argument, and goes round again until it is 0. */
const countDown = [...getArgument, op.i32Const, 1, op.i32Sub, 0x22, 0, 0x0d, 0];

t.test('a function entry and each turn of a loop cost 1, and the result stays', async (t) => {
	const wasm = build({ functions: [{ code: [...loop(countDown), ...getArgument] }] });
	t.equal(await spent(wasm, 10), 11);
	t.equal(await spent(wasm, 500), 501);
	const { f } = await load(meter(wasm));
	t.equal(f(7), 0);
});

t.test('an endless loop and an endless recursion are stopped', async (t) => {
	const endless = build({ functions: [{ code: [...loop([0x0c, 0]), ...getArgument] }] });
	const recursive = build({
		functions: [{ code: [...getArgument, op.call, 2] }, { code: [...getArgument, op.call, 1] }],
		exports: ['f', 'g'],
	});
	for (const wasm of [endless, recursive]) {
		const { f, fuel } = await load(meter(wasm));
		fuel.value = 5_000;
		t.throws(() => f(1), { message: 'unreachable' });
		t.equal(fuel.value, -1);
		fuel.value = 5_000;
		t.throws(() => f(1), { message: 'unreachable' }, 'again');
	}
});

t.test('a call of the host costs 1,000, and happens only where there is fuel for it', async (t) => {
	const wasm = build({ functions: [{ code: [...getArgument, op.call, 0] }] });
	t.equal(await spent(wasm, 1), 1_001);
	let calls = 0;
	const { f, fuel } = await load(meter(wasm), (n) => {
		calls++;
		return n + 1;
	});
	fuel.value = 1_001;
	t.equal(f(41), 42);
	fuel.value = 1_000;
	t.throws(() => f(41), { message: 'unreachable' });
	t.equal(calls, 1);
});

t.test('memory costs 5,000 a page, bulk operations a unit per 16 bytes, whatever the other locals are', async (t) => {
	const grow = build({ functions: [{ locals: [2, 3, i32, 1, 0x7e], code: [...getArgument, op.memoryGrow, 0] }] });
	t.equal(await spent(grow, 3), 15_001);
	const { f, fuel, memory } = await load(meter(grow));
	fuel.value = 2 ** 31 - 1;
	t.equal(f(2), 1, 'the size before');
	t.equal(memory.buffer.byteLength, 3 * 65_536);
	t.equal(f(-1), -1, 'a request for all memory fails as it did');
	t.ok(fuel.value > 0, 'and does not wrap round');

	const fill = build({ functions: [{ code: [op.i32Const, 8, op.i32Const, 7, ...getArgument, op.bulk, 11, 0, ...getArgument] }] });
	t.equal(await spent(fill, 32_000), 2_001);
	const copy = build({ functions: [{ code: [op.i32Const, 0, op.i32Const, 8, ...getArgument, op.bulk, 10, 0, 0, ...getArgument] }] });
	t.equal(await spent(copy, 1_600), 101);
	const filled = await load(meter(fill));
	filled.f(4);
	t.strictSame([...new Uint8Array(filled.memory.buffer, 7, 6)], [0, 7, 7, 7, 7, 0]);
});

t.test('the start function runs on a first allowance', async (t) => {
	const start = (code: number[]) => build({ functions: [{ code: getArgument }, { type: 1, code }], sections: [[8, [2]]] });
	const { fuel } = await load(meter(start([])));
	t.equal(fuel.value, 99_999_999);
	await t.rejects(load(meter(start(loop([0x0c, 0])))), { message: 'unreachable' });
});

t.test('globals and custom sections are kept, and existing globals keep their numbers', async (t) => {
	const wasm = build({
		functions: [{ code: [op.globalGet, 0] }],
		sections: [
			[6, list([[i32, 1, op.i32Const, ...s32(-5_000), op.end]])],
			[0, [...name('note'), 1, 2, 3]],
		],
	});
	const metered = meter(wasm);
	const { f, fuel } = await load(metered);
	t.equal(f(0), -5_000);
	t.equal(fuel.value, 99_999_999);
	t.match(Buffer.from(metered).toString('latin1'), /note\x01\x02\x03$/);
});

t.test('what would escape the count is refused by name', async (t) => {
	const code = (...bytes: number[]): Uint8Array => build({ functions: [{ code: bytes }] });
	const refused: [string, Uint8Array, RegExp][] = [
		['no module', new Uint8Array([0, 0x61, 0x73, 0x6d]), /not a valid WebAssembly module/],
		['truncated', build({ functions: [{ code: getArgument }] }).slice(0, -1), /not a valid/],
		['SIMD', code(0xfd, 0x0c, ...Array(16).fill(0), 0xfd, 0x1b, 0), /instruction 0xfd \(SIMD\)/],
		['tail call', code(...getArgument, 0x12, 1), /instruction 0x12 \(tail calls\)/],
		['atomics', code(0xfe, 0x03, 0, ...getArgument), /instruction 0xfe \(atomics\)/],
		['reference', code(0xd0, 0x70, 0x1a, ...getArgument), /instruction 0xd0 \(reference types\)/],
		['typed select', code(...getArgument, ...getArgument, ...getArgument, 0x1c, 1, i32), /instruction 0x1c \(reference types\)/],
		['exceptions', code(0x1f, 0x40, 0, op.end, ...getArgument), /instruction 0x1f \(exceptions\)/],
		['tags', build({ sections: [[13, list([[0, 1]])]], exports: [] }), /section 13/],
		['memory of its own', build({ sections: [[5, list([[0, 1]])]], exports: [] }), /brings its own memory/],
		['shared memory', build({ memory: [3, 1, 2], exports: [] }), /env\.memory is a shared or 64-bit memory/],
		['64-bit memory', build({ memory: [4, 1], exports: [] }), /env\.memory is a shared or 64-bit memory/],
		['clash', build({ functions: [{ code: getArgument }], exports: ['toolgate_fuel'] }), /already exports toolgate_fuel/],
		['metered twice', meter(build({ functions: [{ code: getArgument }] })), /already exports toolgate_fuel/],
		['host in a table', tableOf(0), /a host function in a table/],
	];
	for (const [what, wasm, message] of refused) {
		t.throws(() => meter(wasm), UnsupportedModule, what);
		t.throws(() => meter(wasm), { message }, what);
	}
	t.doesNotThrow(() => meter(tableOf(1)), 'a function of its own in a table is fine');
});

/** A module whose table holds one function. */
function tableOf(functionIndex: number): Uint8Array {
	return build({
		functions: [{ code: [...getArgument, op.i32Const, 0, 0x11, 0, 0] }],
		sections: [
			[4, list([[0x70, 0, 1]])],
			[9, list([[0, op.i32Const, 0, op.end, ...list([[functionIndex]])]])],
		],
	});
}

import { UnsupportedModule } from '../evaluation-error.ts';
import { fuelExport } from '../opa-instance.ts';
import { readSections, readShape, type Shape, section, sectionOrder } from './module-sections.ts';
import { bulkOp, op, skipImmediates } from './opcodes.ts';
import { s32, u32, WasmReader, WasmWriter } from './wasm-bytes.ts';

/** What work costs, in units of fuel. A function entry or a turn of a loop is a step. */
const cost = { step: 1, hostCall: 1_000, memoryPage: 5_000 } as const;
/** Bulk operations cost a unit per 16 bytes. */
const bulkShift = 4;
/** What a module may spend before the host first says otherwise: its start function runs while it is instantiated. */
const initialFuel = 100_000_000;

const i32 = 0x7f;

/**
 * Rewrites a module so that its work is bounded: it exports a mutable i32 global `toolgate_fuel`, spends it by 1 at each function entry and
 * loop head, by 1,000 per call of the host, by 5,000 per page of new memory and by a unit per 16 bytes of a bulk operation, and
 * traps (`unreachable`) as soon as it is negative. Functions, globals and types keep their numbers, and results stay the same.
 *
 * What a module can do without passing one of these points is a stretch of straight code, so fuel bounds its time. It doesn't see time
 * spent in the host.
 * @throws {UnsupportedModule} not a valid module, or one with parts that would escape the count; names the part
 */
export function meter(wasm: Uint8Array): Uint8Array {
	if (!WebAssembly.validate(wasm)) throw new UnsupportedModule('not a valid WebAssembly module');
	const sections = readSections(wasm);
	const shape = readShape(sections, fuelExport);

	const out = new WasmWriter(2 * wasm.length);
	out.raw(wasm.subarray(0, 8));
	for (const id of sectionOrder) {
		const content = rewritten(id, sections.known.get(id), shape);
		if (content !== undefined) writeSection(out, id, content);
	}
	// One of them names the functions, which tells whose rule ran out of fuel.
	for (const content of sections.custom) writeSection(out, section.custom, content);
	return out.written;
}

function rewritten(id: number, content: Uint8Array | undefined, shape: Shape): Uint8Array | undefined {
	switch (id) {
		case section.global:
			// Last, so that no global changes its number.
			return appended(content, [i32, 0x01, op.i32Const, ...s32(initialFuel), op.end]);
		case section.export:
			return appended(content, [fuelExport.length, ...new TextEncoder().encode(fuelExport), 0x03, ...u32(shape.globals)]);
		case section.code:
			return content && meteredCode(content, shape);
		default:
			return content;
	}
}

function meteredCode(content: Uint8Array, shape: Shape): Uint8Array {
	const reader = new WasmReader(content);
	const out = new WasmWriter(2 * content.length);
	const code = new WasmWriter(4096);
	const charges = new Charges(shape.globals);
	out.u32(reader.u32());
	for (const parameters of shape.parameterCounts) {
		const body = new WasmReader(reader.take(reader.u32()));
		const locals = readLocals(body);
		code.clear();
		const usesScratch = meterBody(body, code, charges, parameters + locals.count, shape.importedFunctions);
		const scratch = usesScratch ? [0x01, i32] : [];
		const groups = u32(locals.groups + (usesScratch ? 1 : 0));
		out.u32(groups.length + locals.bytes.length + scratch.length + code.length);
		for (const part of [groups, locals.bytes, scratch, code.written]) out.raw(part);
	}
	return out.written;
}

function readLocals(body: WasmReader): { groups: number; count: number; bytes: Uint8Array } {
	const groups = body.u32();
	const start = body.at;
	let count = 0;
	for (let i = 0; i < groups; i++) {
		count += body.u32();
		body.skip(1);
	}
	return { groups, count, bytes: body.bytes.subarray(start, body.at) };
}

/** Copies a function's code and puts in what it costs. Returns whether it needs the local number `scratch`, of type i32. */
function meterBody(body: WasmReader, code: WasmWriter, charges: Charges, scratch: number, importedFunctions: number): boolean {
	let usesScratch = false;
	/** Where what has not been copied yet begins. */
	let from = body.at;
	const insert = (instructions: Uint8Array, at: number): void => {
		code.raw(body.bytes.subarray(from, at));
		code.raw(instructions);
		from = at;
	};

	code.raw(charges.step);
	while (!body.isAtEnd) {
		const start = body.at;
		const opcode = body.byte();
		const operand = body.at;
		skipImmediates(opcode, body);
		if (opcode === op.loop) {
			insert(charges.step, body.at);
		} else if (opcode === op.call) {
			if (body.u32At(operand) < importedFunctions) insert(charges.hostCall, start);
		} else if (opcode === op.memoryGrow) {
			insert(charges.pages(scratch), start);
			usesScratch = true;
		} else if (opcode === op.bulk && isSized(body.u32At(operand))) {
			insert(charges.bytes(scratch), start);
			usesScratch = true;
		}
	}
	code.raw(body.bytes.subarray(from));
	return usesScratch;
}

function isSized(sub: number): boolean {
	return sub === bulkOp.memoryInit || sub === bulkOp.memoryCopy || sub === bulkOp.memoryFill;
}

/** The instructions that spend fuel. Each leaves the stack as it was; `pages` and `bytes` look at the number on top of it. */
class Charges {
	readonly step: Uint8Array;
	readonly hostCall: Uint8Array;
	readonly #fuel: number[];

	constructor(fuelGlobal: number) {
		this.#fuel = u32(fuelGlobal);
		this.step = new Uint8Array(this.#spend(constant(cost.step)));
		this.hostCall = new Uint8Array(this.#spend(constant(cost.hostCall)));
	}

	pages(scratch: number): Uint8Array {
		const get = [op.localGet, ...u32(scratch)];
		// No memory has more than 65,536 pages. Asking for more fails anyway, and the limit keeps the product within 32 bits.
		const pages = [...get, ...constant(65_536), ...get, ...constant(65_536), op.i32LtU, op.select];
		return this.#spendForTop(scratch, [...pages, ...constant(cost.memoryPage), op.i32Mul]);
	}

	bytes(scratch: number): Uint8Array {
		return this.#spendForTop(scratch, [op.localGet, ...u32(scratch), ...constant(bulkShift), op.i32ShrU]);
	}

	#spendForTop(scratch: number, amount: number[]): Uint8Array {
		return new Uint8Array([op.localSet, ...u32(scratch), ...this.#spend(amount), op.localGet, ...u32(scratch)]);
	}

	#spend(amount: number[]): number[] {
		const get = [op.globalGet, ...this.#fuel];
		const stopBelowZero = [...get, ...constant(0), op.i32LtS, op.if, 0x40, op.unreachable, op.end];
		return [...get, ...amount, op.i32Sub, op.globalSet, ...this.#fuel, ...stopBelowZero];
	}
}

function constant(value: number): number[] {
	return [op.i32Const, ...s32(value)];
}

/** A section that is a list, with one more item at its end. */
function appended(content: Uint8Array | undefined, item: number[]): Uint8Array {
	const reader = new WasmReader(content ?? new Uint8Array([0]));
	const out = new WasmWriter(reader.end + item.length + 8);
	out.u32(reader.u32() + 1);
	out.raw(reader.bytes.subarray(reader.at));
	out.raw(item);
	return out.written;
}

function writeSection(out: WasmWriter, id: number, content: Uint8Array): void {
	out.byte(id);
	out.u32(content.length);
	out.raw(content);
}

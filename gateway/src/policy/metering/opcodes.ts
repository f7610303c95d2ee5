import { UnsupportedModule } from '../evaluation-error.ts';
import type { WasmReader } from './wasm-bytes.ts';

/** The opcodes that metering looks at, or writes. The rest it only has to step over. */
export const op = {
	unreachable: 0x00,
	loop: 0x03,
	if: 0x04,
	end: 0x0b,
	call: 0x10,
	select: 0x1b,
	localGet: 0x20,
	localSet: 0x21,
	globalGet: 0x23,
	globalSet: 0x24,
	memoryGrow: 0x40,
	i32Const: 0x41,
	i32LtS: 0x48,
	i32LtU: 0x49,
	i32Sub: 0x6b,
	i32Mul: 0x6c,
	i32ShrU: 0x76,
	bulk: 0xfc,
} as const;

/** Sub-opcodes of `op.bulk` whose work grows with the number on top of the stack. */
export const bulkOp = { memoryInit: 8, memoryCopy: 10, memoryFill: 11 } as const;

/**
 * Steps over the immediates of an opcode that was just read (section 5.4 of the specification). Knows the first version of WebAssembly,
 * sign extension, saturating conversion and bulk memory, which is what OPA's compiler uses and more.
 * @throws {UnsupportedModule} naming what it doesn't know
 */
export function skipImmediates(opcode: number, reader: WasmReader): void {
	if (opcode >= 0x45 && opcode <= 0xc4) return;
	if (opcode >= 0x28 && opcode <= 0x3e) return skipMemoryArgument(reader);
	switch (opcode) {
		case 0x00: // unreachable
		case 0x01: // nop
		case 0x05: // else
		case 0x0b: // end
		case 0x0f: // return
		case 0x1a: // drop
		case 0x1b: // select
			return;
		case 0x02: // block
		case 0x03: // loop
		case 0x04: // if
		case 0x0c: // br
		case 0x0d: // br_if
		case 0x10: // call
		case 0x20: // local.get
		case 0x21: // local.set
		case 0x22: // local.tee
		case 0x23: // global.get
		case 0x24: // global.set
		case 0x3f: // memory.size
		case 0x40: // memory.grow
		case 0x41: // i32.const
		case 0x42: // i64.const
			return reader.skipNumber();
		case 0x0e: // br_table
			for (let targets = reader.u32() + 1; targets > 0; targets--) reader.skipNumber();
			return;
		case 0x11: // call_indirect
			reader.skipNumber();
			return reader.skipNumber();
		case 0x43: // f32.const
			return reader.skip(4);
		case 0x44: // f64.const
			return reader.skip(8);
		case 0xfc:
			return skipBulkImmediates(reader);
		default:
			throw new UnsupportedModule(`can't be metered: instruction 0x${opcode.toString(16).padStart(2, '0')} (${proposalOf(opcode)})`);
	}
}

function skipMemoryArgument(reader: WasmReader): void {
	// From bit 6 on, alignment says that the number of a memory follows.
	if (reader.u32() >= 0x40) throw new UnsupportedModule("can't be metered: more than one memory");
	reader.skipNumber();
}

function skipBulkImmediates(reader: WasmReader): void {
	const sub = reader.u32();
	if (sub < 8) return; // saturating conversions
	if (sub > bulkOp.memoryFill) throw new UnsupportedModule(`can't be metered: instruction 0xfc ${sub} (table operations)`);
	reader.skipNumber();
	if (sub === bulkOp.memoryInit || sub === bulkOp.memoryCopy) reader.skipNumber();
}

function proposalOf(opcode: number): string {
	if (opcode === 0xfb) return 'garbage collection';
	if (opcode === 0xfd) return 'SIMD';
	if (opcode === 0xfe) return 'atomics';
	if (opcode === 0x12 || opcode === 0x13) return 'tail calls';
	if ((opcode >= 0x06 && opcode <= 0x0a) || opcode === 0x18 || opcode === 0x19 || opcode === 0x1f) return 'exceptions';
	if (opcode === 0x1c || opcode === 0x25 || opcode === 0x26 || (opcode >= 0xd0 && opcode <= 0xd6)) return 'reference types';
	return 'unknown';
}

import { UnsupportedModule } from '../evaluation-error.ts';
import { op, skipImmediates } from './opcodes.ts';
import { WasmReader } from './wasm-bytes.ts';

/** Numbers of the sections that metering reads or writes (section 5.5.2 of the specification). */
export const section = { custom: 0, type: 1, import: 2, function: 3, memory: 5, global: 6, export: 7, element: 9, code: 10 } as const;

/** The order in which a module has its sections; custom ones may stand anywhere. */
export const sectionOrder: readonly number[] = [1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 10, 11];

/** A module in parts. Each section at most once, except custom ones. */
export type Sections = { known: Map<number, Uint8Array>; custom: Uint8Array[] };

/** What the other sections say about the code: how many parameters each function has, and where the numbering of things begins. */
export type Shape = {
	importedFunctions: number;
	globals: number;
	/** Parameters of each function of the module's own. */
	parameterCounts: number[];
};

export function readSections(wasm: Uint8Array): Sections {
	const sections: Sections = { known: new Map(), custom: [] };
	const reader = new WasmReader(wasm, 8);
	while (!reader.isAtEnd) {
		const id = reader.byte();
		const content = reader.take(reader.u32());
		if (id === section.custom) sections.custom.push(content);
		else if (sectionOrder.includes(id)) sections.known.set(id, content);
		else throw new UnsupportedModule(`can't be metered: section ${id}`);
	}
	return sections;
}

/**
 * The shape of a module, once it is sure that nothing in it escapes the count.
 * @throws {UnsupportedModule} a memory that isn't the host's, an export of the name `reserved`, a host function in a table
 */
export function readShape({ known }: Sections, reserved: string): Shape {
	const list = (id: number): WasmReader => new WasmReader(known.get(id) ?? new Uint8Array([0]));
	const types = readTypes(list(section.type));
	const imports = readImports(list(section.import));
	const functions = list(section.function);
	const parameterCounts = Array.from({ length: functions.u32() }, () => types[functions.u32()] ?? 0);
	if (list(section.memory).u32() > 0) throw new UnsupportedModule('brings its own memory, which the host could not limit');
	if (exportNames(list(section.export)).includes(reserved)) throw new UnsupportedModule(`already exports ${reserved}`);
	requireNoHostInTables(list(section.element), imports.functions);
	return { importedFunctions: imports.functions, globals: imports.globals + list(section.global).u32(), parameterCounts };
}

function readTypes(types: WasmReader): number[] {
	return Array.from({ length: types.u32() }, () => {
		if (types.byte() !== 0x60) throw new UnsupportedModule("can't be metered: a type that is not a function's");
		const parameters = types.u32();
		types.skip(parameters);
		types.skip(types.u32());
		return parameters;
	});
}

function readImports(imports: WasmReader): { functions: number; globals: number } {
	const counts = { functions: 0, globals: 0 };
	for (let n = imports.u32(); n > 0; n--) {
		const name = `${imports.name()}.${imports.name()}`;
		const kind = imports.byte();
		if (kind === 0) {
			imports.skipNumber();
			counts.functions++;
		} else if (kind === 2) {
			// Bit 0 of the limits says that a maximum follows, bit 1 that the memory is shared, bit 2 that its addresses have 64 bits.
			const limits = imports.byte();
			if (limits > 1) throw new UnsupportedModule(`can't be metered: ${name} is a shared or 64-bit memory`);
			imports.skipNumber();
			if (limits === 1) imports.skipNumber();
		} else if (kind === 3) {
			imports.skip(2);
			counts.globals++;
		} else {
			throw new UnsupportedModule(`can't be metered: it imports ${name}`);
		}
	}
	return counts;
}

function exportNames(exports: WasmReader): string[] {
	return Array.from({ length: exports.u32() }, () => {
		const name = exports.name();
		exports.skip(1);
		exports.skipNumber();
		return name;
	});
}

/** A call through a table doesn't show whom it calls; the host's functions may only be called by number. */
function requireNoHostInTables(elements: WasmReader, importedFunctions: number): void {
	for (let n = elements.u32(); n > 0; n--) {
		if (elements.u32() !== 0) throw new UnsupportedModule("can't be metered: an element segment that is not a plain list of functions");
		for (let opcode = elements.byte(); opcode !== op.end; opcode = elements.byte()) skipImmediates(opcode, elements);
		for (let functions = elements.u32(); functions > 0; functions--) {
			if (elements.u32() < importedFunctions) throw new UnsupportedModule("can't be metered: a host function in a table");
		}
	}
}

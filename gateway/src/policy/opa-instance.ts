import { UnsupportedModule } from './evaluation-error.ts';

/** What an OPA module exports, as far as we use it. Addresses and sizes are in bytes. */
type OpaExports = {
	opa_malloc(size: number): number;
	opa_heap_ptr_get(): number;
	opa_heap_ptr_set(address: number): void;
	opa_value_parse(text: number, size: number): number;
	opa_value_dump(value: number): number;
	opa_json_dump(value: number): number;
	opa_eval(reserved: 0, entrypoint: number, data: number, input: number, inputSize: number, heap: number, format: 0 | 1): number;
	builtins(): number;
	entrypoints(): number;
	toolgate_fuel?: WebAssembly.Global;
};

/** A module's calls back to us: the term texts of the arguments in, the text of the result out; `undefined` is undefined. */
export type BuiltinCall = (id: number, args: string[]) => string | undefined;

/**
 * Data as it lies in a module's memory, from `start` on; `address` is where the module finds the value. Every instance of that module can
 * take it over without parsing it again, in any thread.
 */
export type DataImage = { readonly bytes: Uint8Array; readonly start: number; readonly address: number };

/** Of data copied in one go: the first touch of fresh memory costs more than the copying. */
const sliceBytes = 2 ** 19;

/** The name under which a metered module exports what fuel is left. */
export const fuelExport = 'toolgate_fuel';

/** Throws {@link UnsupportedModule} unless OPA made this module, for ABI 1.2 or later of version 1. */
export function requireOpaModule(module: WebAssembly.Module): void {
	const exported = new Set(WebAssembly.Module.exports(module).map(({ name }) => name));
	const needed = ['opa_eval', 'opa_value_parse', 'opa_value_dump', 'opa_wasm_abi_version', 'builtins', 'entrypoints'];
	const missing = needed.filter((name) => !exported.has(name));
	if (missing.length > 0) throw new UnsupportedModule(`not a policy compiled by OPA: it doesn't export ${missing.join(', ')}`);
	const foreign = WebAssembly.Module.imports(module).find(({ module: from, name }) => from !== 'env' || !/^(memory$|opa_)/.test(name));
	if (foreign) throw new UnsupportedModule(`not a policy compiled by OPA: it imports ${foreign.module}.${foreign.name}`);
}

/**
 * One instance of a module that OPA compiled: text in, text out. It knows nothing of values, limits or errors. After any throw it
 * must not be used again: the module leaves its stack pointer where it was.
 */
export class OpaInstance {
	readonly #exports: OpaExports;
	readonly #memory: WebAssembly.Memory;
	#view: Buffer;
	/** Where the module's own start-up ended, and data begins. */
	readonly #base: number;
	/** Where data ends, and each evaluation begins. */
	#heap: number;
	#data = 0;

	/**
	 * `memory` may have served another instance: whatever the module expects to be zero lies in its own data segments.
	 * @throws whatever the module's start function throws
	 */
	constructor(module: WebAssembly.Module, memory: WebAssembly.Memory, call: BuiltinCall) {
		this.#memory = memory;
		this.#view = Buffer.from(memory.buffer);
		const builtin = (id: number, _context: number, ...args: number[]) => this.#builtin(call, id, args);
		const instance = new WebAssembly.Instance(module, {
			env: {
				memory,
				opa_abort: (message: number) => {
					throw new ModuleAbort(this.#textAt(message));
				},
				opa_println: () => {},
				opa_builtin0: builtin,
				opa_builtin1: builtin,
				opa_builtin2: builtin,
				opa_builtin3: builtin,
				opa_builtin4: builtin,
			},
		});
		this.#exports = instance.exports as unknown as OpaExports;
		const { opa_wasm_abi_version: major, opa_wasm_abi_minor_version: minor } = instance.exports as Record<string, WebAssembly.Global>;
		if (major?.value !== 1 || minor === undefined || minor.value < 2) {
			throw new UnsupportedModule(`OPA's WebAssembly ABI ${major?.value}.${minor?.value} is not supported; 1.2 or later of version 1 is`);
		}
		this.#base = this.#exports.opa_heap_ptr_get();
		this.#heap = this.#base;
	}

	/** Fuel left, below 0 once it has run out; `undefined` where the module is not metered. */
	get fuel(): number | undefined {
		return this.#exports.toolgate_fuel?.value;
	}

	set fuel(units: number) {
		if (this.#exports.toolgate_fuel !== undefined) this.#exports.toolgate_fuel.value = units;
	}

	/** Builtins that the module imports, and its entrypoints: names and the numbers it knows them by. */
	index(): { builtins: Record<string, number>; entrypoints: Record<string, number> } {
		const builtins = JSON.parse(this.#textAt(this.#exports.opa_json_dump(this.#exports.builtins())));
		const entrypoints = JSON.parse(this.#textAt(this.#exports.opa_json_dump(this.#exports.entrypoints())));
		this.#exports.opa_heap_ptr_set(this.#heap);
		return { builtins, entrypoints };
	}

	/** Parses a term as the new `data`, and returns it as other instances can take it over. */
	parseData(text: string): DataImage {
		this.#exports.opa_heap_ptr_set(this.#base);
		this.#data = this.#parse(text);
		this.#heap = align(this.#exports.opa_heap_ptr_get());
		return { bytes: new Uint8Array(this.#bytes().subarray(this.#base, this.#heap)), start: this.#base, address: this.#data };
	}

	/** Takes over data that another instance of the same module has parsed. */
	takeData(image: DataImage): void {
		for (const _ of this.takingData(image));
	}

	/** The same in steps of some 0.5 ms, so that the caller can do something else between them. Nothing may be evaluated before the last one. */
	*takingData(image: DataImage): Generator<void, void> {
		if (image.start !== this.#base) throw new Error('the data was parsed by another module');
		if (this.#base + image.bytes.length > this.#bytes().length) throw new ModuleAbort(outOfMemoryMessage);
		for (let at = 0; at < image.bytes.length; at += sliceBytes) {
			this.#bytes().set(image.bytes.subarray(at, at + sliceBytes), this.#base + at);
			yield;
		}
		this.#data = image.address;
		this.#heap = this.#base + image.bytes.length;
		this.#exports.opa_heap_ptr_set(this.#heap);
	}

	/** Evaluates one entrypoint; the result set as a term. `input` is a term, or `undefined` for none. */
	evaluate(input: string | undefined, entrypoint: number): string {
		const address = input === undefined ? 0 : this.#heap;
		const size = input === undefined ? 0 : this.#write(input, address);
		return this.#textAt(this.#exports.opa_eval(0, entrypoint, this.#data, address, size, align(this.#heap + size), 1));
	}

	#builtin(call: BuiltinCall, id: number, args: number[]): number {
		const result = call(
			id,
			args.map((arg) => this.#textAt(this.#exports.opa_value_dump(arg))),
		);
		return result === undefined ? 0 : this.#parse(result);
	}

	#parse(text: string): number {
		const size = Buffer.byteLength(text);
		const address = this.#exports.opa_malloc(size);
		this.#write(text, address);
		const value = this.#exports.opa_value_parse(address, size);
		if (value === 0) throw new Error(`the module can't read ${text.slice(0, 80)}`);
		return value;
	}

	/** Writes text as UTF-8 and returns its size. */
	#write(text: string, address: number): number {
		const bytes = this.#bytes();
		// The factor saves measuring the text where there is room for any.
		if (address + 3 * text.length > bytes.length && address + Buffer.byteLength(text) > bytes.length) {
			throw new ModuleAbort(outOfMemoryMessage);
		}
		return bytes.write(text, address);
	}

	#textAt(address: number): string {
		const bytes = this.#bytes();
		return bytes.toString('utf8', address, bytes.indexOf(0, address));
	}

	/** The memory; a module that asks to grow it, be it by nothing, leaves the old view empty. */
	#bytes(): Buffer {
		if (this.#view.length === 0) this.#view = Buffer.from(this.#memory.buffer);
		return this.#view;
	}
}

/** How the module says that it can't allocate. */
export const outOfMemoryMessage = 'opa_malloc: failed';

/** The module called `opa_abort`. The message is its own. */
export class ModuleAbort extends Error {}

function align(address: number): number {
	return (address + 7) & ~7;
}

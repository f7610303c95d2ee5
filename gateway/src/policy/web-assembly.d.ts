/**
 * The part of the WebAssembly JavaScript API that is used here. TypeScript ships these types only with those of the browser's whole DOM,
 * which a server must not see, and `@types/node` has none.
 */
declare namespace WebAssembly {
	type ExternKind = 'function' | 'global' | 'memory' | 'table' | 'tag';

	class Module {
		private constructor();
		static exports(module: Module): { name: string; kind: ExternKind }[];
		static imports(module: Module): { module: string; name: string; kind: ExternKind }[];
	}

	class Instance {
		constructor(module: Module, imports: Record<string, Record<string, unknown>>);
		readonly exports: Record<string, unknown>;
	}

	class Memory {
		/** Sizes are in pages of 64 KiB. */
		constructor(descriptor: { initial: number; maximum?: number });
		readonly buffer: ArrayBuffer;
	}

	class Global {
		private constructor();
		value: number;
	}

	/** A trap, which the message names: `unreachable`, `memory access out of bounds`. */
	class RuntimeError extends Error {}

	function compile(bytes: Uint8Array): Promise<Module>;
	function validate(bytes: Uint8Array): boolean;
}

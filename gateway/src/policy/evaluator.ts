import { setImmediate as nextTurn } from 'node:timers/promises';
import { builtins as gatewayBuiltins } from './builtins/index.ts';
import type { BuiltinContext, Builtins } from './builtins.ts';
import {
	Aborted,
	BadInput,
	Conflict,
	EvaluationError,
	MissingBuiltin,
	OutOfFuel,
	OutOfMemory,
	UnsupportedModule,
} from './evaluation-error.ts';
import { objectText, termText } from './input-text.ts';
import { meter } from './metering/meter.ts';
import { type DataImage, fuelExport, ModuleAbort, OpaInstance, outOfMemoryMessage, requireOpaModule } from './opa-instance.ts';
import { fromText, toJson, toText } from './rego-value.ts';
import { InputText } from './shared-input.ts';

export type EvaluatorOptions = {
	/** What the policy may call besides what is native to its module. Default: everything in `builtins/`. */
	builtins?: Builtins;
	/** Units of work per evaluation; `meter` says what a unit is. Default 2,000,000, some 4–11 ms; at most 2^31 − 1. */
	fuel?: number;
	/** Memory for data, input and evaluation together, in pages of 64 KiB. Default 1,024 (64 MiB). */
	maxMemoryPages?: number;
	/** `false` runs the module as it is, with no limit to its work: for comparing, never for serving. Default `true`. */
	metered?: boolean;
	/** `data` as another evaluator of the same module has parsed it, which takes some 0.1 s per MB: a worker can do that. */
	dataImage?: DataImage;
	/** One that another evaluator gave up; otherwise it gets its own. */
	memory?: WebAssembly.Memory;
	/** Take any value as input, as OPA does. By default only a plain object, since anything else is a mistake of the caller's. */
	anyInput?: boolean;
};

/** Fuel for starting a module and for reading data: that much, and so much more per byte. Both are limits, not costs. */
const startFuel = 100_000_000;
const dataFuelPerByte = 50;
/** What the counter, an i32, can hold. */
const maxFuel = 2 ** 31 - 1;

/**
 * An evaluator of the policy that OPA compiled to `wasm`: the bytes of `policy.wasm`, or a module compiled from `meter`'s output.
 * @throws {UnsupportedModule} not OPA's, an unknown ABI, or not to be metered
 * @throws {BadInput} `data` is not a plain object of what JSON can say
 * @throws {OutOfMemory} `data` doesn't fit
 */
export async function createEvaluator(
	wasm: Uint8Array | WebAssembly.Module,
	data: object,
	options: EvaluatorOptions = {},
): Promise<Evaluator> {
	const module = wasm instanceof WebAssembly.Module ? wasm : await compile(wasm, options.metered ?? true);
	requireOpaModule(module);
	const isMetered = WebAssembly.Module.exports(module).some(({ name }) => name === fuelExport);
	if (!isMetered && options.metered !== false) throw new UnsupportedModule('the compiled module is not metered');
	const evaluator = new Evaluator(module, data, options);
	if (options.dataImage !== undefined) await evaluator.takeData(options.dataImage);
	return evaluator;
}

async function compile(wasm: Uint8Array, metered: boolean): Promise<WebAssembly.Module> {
	const bytes = metered ? meter(wasm) : wasm;
	try {
		return await WebAssembly.compile(bytes);
	} catch (error) {
		throw new UnsupportedModule(`not a WebAssembly module: ${(error as Error).message}`, error);
	}
}

/**
 * A policy with its data, ready to be asked; made by {@link createEvaluator}. Synchronous: one evaluation at a time. The answer depends on
 * module, data, input, entrypoint and fuel alone (and on the clock, where neither the input's `time.ms` nor the caller fixes it).
 */
export class Evaluator {
	/** Names of the entrypoints, such as `toolgate/decision/call`; the position of each is its number. */
	readonly entrypoints: readonly string[];
	/** Names of the builtins that the module imports. One that is missing throws only when the policy gets there. */
	readonly builtins: readonly string[];
	/** Those of them that nobody provides. */
	readonly missingBuiltins: readonly string[];

	readonly #module: WebAssembly.Module;
	readonly #pages: number;
	/** Absent after it was given up. */
	#memory: WebAssembly.Memory | undefined;
	readonly #provided: Builtins;
	readonly #fuel: number;
	readonly #inputText: (value: unknown, name: string) => string;
	readonly #builtinNames = new Map<number, string>();
	readonly #entrypointIds: ReadonlyMap<string, number>;
	/** Absent after a throw: the next evaluation makes another. */
	#instance: OpaInstance | undefined;
	#data: DataImage | undefined;
	#evaluation = new Evaluation(undefined);
	#fuelUsed = 0;

	/** Use {@link createEvaluator}. */
	constructor(module: WebAssembly.Module, data: object, options: EvaluatorOptions) {
		this.#pages = options.maxMemoryPages ?? 1024;
		this.#module = module;
		this.#memory = options.memory;
		this.#provided = options.builtins ?? gatewayBuiltins;
		this.#fuel = options.fuel ?? 2_000_000;
		this.#inputText = options.anyInput ? termText : objectText;
		const { builtins, entrypoints } = this.#guard(startFuel, (instance) => instance.index());
		for (const [name, id] of Object.entries(builtins)) this.#builtinNames.set(id, name);
		this.#entrypointIds = new Map(Object.entries(entrypoints));
		this.builtins = Object.keys(builtins).sort();
		this.missingBuiltins = this.builtins.filter((name) => !Object.hasOwn(this.#provided, name));
		this.entrypoints = Object.keys(entrypoints).sort((a, b) => entrypoints[a]! - entrypoints[b]!);
		if (options.dataImage === undefined) this.setData(data);
	}

	/** `data`, to be handed to another evaluator of the same module. */
	get dataImage(): DataImage {
		return this.#data!;
	}

	/** Fuel that the last evaluation, or reading of data, took, whether it succeeded or not; 0 where the module is not metered. */
	get fuelUsed(): number {
		return this.#fuelUsed;
	}

	/**
	 * Replaces `data`. When it throws, the old data stays.
	 * @throws {BadInput | OutOfMemory}
	 */
	setData(data: object): void {
		const text = objectText(data, 'data');
		this.#data = this.#guard(startFuel + dataFuelPerByte * text.length, (instance) => instance.parseData(text));
	}

	/**
	 * Replaces `data` by what another evaluator of the same module has parsed, without holding up whoever else runs in this thread. Ask nothing
	 * before it is done.
	 * @throws {OutOfMemory}
	 */
	async takeData(image: DataImage): Promise<void> {
		const steps = this.#guard(startFuel, (instance) => instance.takingData(image));
		while (!this.#guard(startFuel, () => steps.next()).done) await nextTurn();
		this.#data = image;
	}

	/**
	 * Hands its memory on, which saves the next evaluator the allocation, the first touch of each page, and the garbage collection that 64 MiB
	 * more bring about. This one goes on working: it takes new memory when it is asked again.
	 */
	giveUpMemory(): WebAssembly.Memory | undefined {
		const memory = this.#memory;
		this.#instance = undefined;
		this.#memory = undefined;
		return memory;
	}

	/**
	 * What the entrypoint gives for this input, or `undefined` where the policy leaves it undefined. Sets are sorted arrays, integers beyond
	 * ±(2^53 − 1) are `bigint`.
	 * @throws {EvaluationError}
	 */
	evaluate(input: object | undefined, entrypoint: string | number): unknown {
		const first = this.resultSet(input, entrypoint)[0] as { result?: unknown } | undefined;
		return first?.result;
	}

	/**
	 * OPA's result set: for an entrypoint `[{ result: value }]`, or `[]` where it is undefined; for a compiled query one object of bindings
	 * per answer. Values as in {@link Evaluator.evaluate}.
	 * @throws {EvaluationError}
	 */
	resultSet(input: unknown, entrypoint: string | number): unknown[] {
		const id = typeof entrypoint === 'number' ? entrypoint : this.#entrypointIds.get(entrypoint);
		if (id === undefined || !(id in this.entrypoints)) throw new BadInput(`the policy has no entrypoint ${JSON.stringify(entrypoint)}`);
		const isText = input instanceof InputText;
		const text = input === undefined ? undefined : isText ? input.text : this.#inputText(input, 'input');
		this.#evaluation = new Evaluation(isText ? input.shared : input);
		return this.#guard(this.#fuel, (instance) => parseResultSet(instance.evaluate(text, id)));
	}

	/** Runs a step on a healthy instance. A throw costs the instance and becomes an {@link EvaluationError}. */
	#guard<T>(limit: number, step: (instance: OpaInstance) => T): T {
		const instance = (this.#instance ??= this.#start());
		const fuel = Math.min(limit, maxFuel);
		instance.fuel = fuel;
		try {
			return step(instance);
		} catch (error) {
			this.#instance = undefined;
			throw this.#explain(error, instance, fuel);
		} finally {
			this.#fuelUsed = fuel - Math.max(0, instance.fuel ?? fuel);
		}
	}

	#start(): OpaInstance {
		try {
			// All of it from the start. The system commits pages when they are touched; and a module that never has to grow its memory does the
			// same work whatever was evaluated before.
			this.#memory ??= new WebAssembly.Memory({ initial: this.#pages, maximum: this.#pages });
			const instance = new OpaInstance(this.#module, this.#memory, (id, args) => this.#callBuiltin(id, args));
			if (this.#data !== undefined) instance.takeData(this.#data);
			return instance;
		} catch (error) {
			if (error instanceof EvaluationError) throw error;
			throw new UnsupportedModule(`the module does not start: ${(error as Error).message}`, error);
		}
	}

	#callBuiltin(id: number, args: string[]): string | undefined {
		const name = this.#builtinNames.get(id) ?? `number ${id}`;
		const builtin = Object.hasOwn(this.#provided, name) ? this.#provided[name] : undefined;
		if (builtin === undefined) throw new MissingBuiltin(name);
		return this.#evaluation.recall(`${id}\0${args.join('\0')}`, () => {
			const result = builtin(this.#evaluation, ...args.map(fromText));
			return result === undefined ? undefined : toText(result);
		});
	}

	#explain(error: unknown, instance: OpaInstance, fuel: number): EvaluationError {
		if (error instanceof EvaluationError) return error;
		if (instance.fuel !== undefined && instance.fuel < 0) return new OutOfFuel(fuel, error);
		const message = error instanceof Error ? error.message : String(error);
		if (error instanceof ModuleAbort) {
			if (message === outOfMemoryMessage) return new OutOfMemory(this.#pages * 2 ** 16, error);
			if (/(var assignment|object insert) conflict$/.test(message)) return new Conflict(message, error);
			return new Aborted(`policy aborted: ${message}`, error);
		}
		if (error instanceof RangeError && /call stack/.test(message)) return new Aborted('policy aborted: nested too deeply', error);
		return new Aborted(`policy aborted: ${message}`, error);
	}
}

/** What lasts as long as one evaluation: its clock, and what its builtins have answered. */
class Evaluation implements BuiltinContext {
	readonly memo = new Map<string, unknown>();
	readonly #input: unknown;
	readonly #answers = new Map<string, string | undefined>();
	#nowNs: bigint | undefined;

	constructor(input: unknown) {
		this.#input = input;
	}

	/** The input's `time.ms`, so that a decision can be repeated; else the time at which the policy first asks. */
	get nowNs(): bigint {
		this.#nowNs ??= BigInt(Math.trunc(timeMs(this.#input) ?? Date.now())) * 1_000_000n;
		return this.#nowNs;
	}

	recall(question: string, answer: () => string | undefined): string | undefined {
		if (!this.#answers.has(question)) this.#answers.set(question, answer());
		return this.#answers.get(question);
	}
}

function timeMs(input: unknown): number | undefined {
	const time = (input as { time?: { ms?: unknown } } | null | undefined)?.time;
	return typeof time?.ms === 'number' ? time.ms : undefined;
}

/** A number, or what looks like one in a string, that `JSON.parse` could round or overflow: 16 digits, or an exponent. */
const riskyNumber = /[[{,:] ?-?(?:\d{16}|\d+(?:\.\d*)?[eE][+-]?\d+[\]},:])/;

/** The result set arrives as a Rego set. Mostly what is in it is plain JSON, which the engine's own parser reads ten times faster. */
function parseResultSet(text: string): unknown[] {
	if (text === 'set()') return [];
	if (!riskyNumber.test(text)) {
		try {
			return JSON.parse(`[${text.slice(1, -1)}]`);
		} catch {
			// There is a set in it, or a key that is no string.
		}
	}
	return toJson(fromText(text)) as unknown[];
}

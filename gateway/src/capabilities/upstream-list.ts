import { setImmediate as breathe } from 'node:timers/promises';
import type { JsonObject } from '../domain.ts';
import type { ListedDefinition, Pins } from './capability-store.ts';
import type { ToolDefinition } from './discovery.ts';
import { type Flaw, inspect, type Inspected } from './inspection.ts';
import type { Naming } from './naming.ts';
import { OfferedTool } from './offered-tool.ts';

/** Compiling a thousand schemas takes a second: others get their turn this often. */
const SLICE_MS = 5;

const TWICE: Flaw = { why: 'its upstream lists two tools of this name', isAcceptable: false };

/** The last good list of one upstream. Definitions that are known already are neither inspected nor compiled again. */
export class UpstreamList {
	readonly name: string;
	#naming: Naming;
	#pins: Pins = new Map();
	#inspected: readonly Inspected[] = [];
	/** What was inspected last, by the text of the definition. */
	#known: ReadonlyMap<string, Inspected> = new Map();
	#initialize: JsonObject | undefined;
	#tools: readonly OfferedTool[] = [];
	/** Milliseconds since the epoch when the list was last read from the upstream. */
	seenMs: number | undefined;

	constructor(name: string, naming: Naming) {
		this.name = name;
		this.#naming = naming;
	}

	get initialize(): JsonObject | undefined {
		return this.#initialize;
	}

	get tools(): readonly OfferedTool[] {
		return this.#tools;
	}

	/** Its definitions with their digests, in the upstream's order. */
	get listed(): readonly ListedDefinition[] {
		return this.#inspected;
	}

	async inspect(definitions: readonly ToolDefinition[]): Promise<Inspected[]> {
		const known = new Map<string, Inspected>();
		const names = new Set<string>();
		const twice = new Set<string>();
		let sliceEndsMs = performance.now() + SLICE_MS;
		for (const definition of definitions) {
			const text = JSON.stringify(definition);
			known.set(text, this.#known.get(text) ?? inspect(definition));
			if (names.has(definition.name)) twice.add(definition.name);
			names.add(definition.name);
			if (performance.now() < sliceEndsMs) continue;
			await breathe();
			sliceEndsMs = performance.now() + SLICE_MS;
		}
		this.#known = known;
		return definitions.map((definition) => {
			const one = known.get(JSON.stringify(definition))!;
			return twice.has(definition.name) ? { ...one, flaw: TWICE } : one;
		});
	}

	/** Takes a list over. True when something that callers see is different now. */
	adopt(initialize: JsonObject, inspected: readonly Inspected[], pins: Pins): boolean {
		this.#initialize = initialize;
		this.#inspected = inspected;
		return this.judge(pins);
	}

	/** The same list under other names. */
	rename(naming: Naming): void {
		this.#naming = naming;
		this.judge(this.#pins);
	}

	/** Judges the list against pins. True when something that callers see is different now. */
	judge(pins: Pins): boolean {
		const before = this.#tools;
		this.#pins = pins;
		this.#tools = this.#inspected.map(
			(one) => new OfferedTool(this.name, this.#naming.listedName(this.name, one.definition.name), one, pins.get(one.definition.name)),
		);
		return before.length !== this.#tools.length || this.#tools.some((tool, place) => !tool.isLike(before[place]));
	}
}

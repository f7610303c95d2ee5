import type { JsonObject, JsonValue, Tool } from '../domain.ts';
import { ToolGateError } from '../errors.ts';
import type { Sql } from '../store/sql.ts';
import { loadLists, movePin, PINS_CHANNEL, readPins, saveList } from './capability-store.ts';
import { type CapabilitySource, discover } from './discovery.ts';
import { OfferedTool } from './offered-tool.ts';
import { Schedule } from './schedule.ts';
import { UpstreamList } from './upstream-list.ts';

export type { CapabilitySource };

export interface CapabilitySettings {
	readonly refreshSeconds: number;
	/** Who accepts a new tool. */
	readonly pins: 'first-sight' | 'operator';
}

export interface CapabilitiesOptions {
	readonly sources: readonly CapabilitySource[];
	/** By the names of the sources. */
	readonly settings: Readonly<Record<string, CapabilitySettings>>;
	readonly sql: Sql;
	/** The least time between two looks at one upstream, and between two changes told; one second. */
	readonly quietMs?: number;
}

export interface CapabilityStatus {
	readonly name: string;
	/** `up`: its list was just read; `cached`: it can't be, and the last good one serves; `down`: there is none. */
	readonly state: 'up' | 'cached' | 'down';
	readonly toolCount: number;
	readonly quarantinedCount: number;
	/** When its list was last read; milliseconds since the epoch. */
	readonly lastSeenMs?: number;
	/** Why the list could not be read. */
	readonly why?: string;
}

interface Entry {
	readonly source: CapabilitySource;
	readonly list: UpstreamList;
	readonly schedule: Schedule;
	/** Absent after a good look; before the first one it says so. */
	why: string | undefined;
}

/** A failed look is repeated after this long, so that an upstream that comes back is seen at once. */
const RETRY_MS = 5_000;

/** What all upstreams offer, as last seen: in memory for whoever asks, in the store for the next start. */
export class Capabilities {
	readonly #options: CapabilitiesOptions;
	readonly #sql: Sql;
	readonly #entries: ReadonlyMap<string, Entry>;
	readonly #listeners = new Set<() => void>();
	readonly #telling: Schedule;
	#byListedName: ReadonlyMap<string, OfferedTool> = new Map();
	#all: readonly OfferedTool[] = [];
	#loading: Promise<void> | undefined;
	#stopListening: (() => Promise<void>) | undefined;

	/** @throws {ToolGateError} CONFIG: names of upstreams under which tools could collide. */
	constructor(options: CapabilitiesOptions) {
		this.#options = options;
		this.#sql = options.sql;
		const quietMs = options.quietMs ?? 1_000;
		const isAlone = options.sources.length === 1;
		this.#entries = new Map(
			options.sources.map((source) => {
				// `a__b` over `c` and `a` over `b__c` would be one name; and so would `a_` over `b` and `a` over `_b`.
				if (!isAlone && /__|_$/.test(source.name))
					throw new ToolGateError(
						'CONFIG',
						`upstreams.${source.name}: with several upstreams a name has no __ and no _ at its end, because tools are listed as <upstream>__<tool>`,
					);
				const list = new UpstreamList(source.name, isAlone ? '' : `${source.name}__`);
				const schedule = new Schedule(quietMs, () => this.#look(source.name));
				return [source.name, { source, list, schedule, why: 'not asked yet' }];
			}),
		);
		this.#telling = new Schedule(quietMs, async () => {
			for (const listener of this.#listeners) listener();
		});
	}

	/** Serves what the store has, then asks every upstream, each on its own. Resolves when the store was read, or could not be. */
	async start(): Promise<void> {
		await this.#load().catch(() => {}); // every look tries again, and its status says why
		for (const { schedule } of this.#entries.values()) schedule.soon();
	}

	/** The tool under the name that agents use; a quarantined one too. */
	find(listedName: string): Tool | undefined {
		return this.#byListedName.get(listedName);
	}

	/** Every tool, quarantined ones too, in the order of the configuration and of each upstream. */
	tools(): readonly OfferedTool[] {
		return this.#all;
	}

	/** The last good answer of an upstream to `initialize`. */
	initializeResult(upstream: string): JsonObject | undefined {
		return this.#entries.get(upstream)?.list.initialize;
	}

	/** Whether structured content, redacted perhaps, still fits the tool's output schema. */
	fitsOutputSchema(tool: Tool, structuredContent: JsonValue | undefined): boolean {
		return tool instanceof OfferedTool && tool.fitsOutputSchema(structuredContent);
	}

	status(): CapabilityStatus[] {
		return [...this.#entries.values()].map(({ source, list, why }) => ({
			name: source.name,
			state: why === undefined ? 'up' : list.initialize === undefined ? 'down' : 'cached',
			toolCount: list.tools.length,
			quarantinedCount: list.tools.filter(({ quarantine }) => quarantine !== undefined).length,
			...(list.seenMs === undefined ? {} : { lastSeenMs: list.seenMs }),
			...(why === undefined ? {} : { why }),
		}));
	}

	/** Calls the listener when what is listed has changed, at most once in a quiet time. Returns how to stop. */
	onListChanged(listener: () => void): () => void {
		this.#listeners.add(listener);
		return () => this.#listeners.delete(listener);
	}

	/** What the upstream offers may have changed: looks soon, and never twice in a quiet time. */
	stale(upstream: string): void {
		this.#entries.get(upstream)?.schedule.soon();
	}

	/** Looks at an upstream now; resolves when it was looked at. Never rejects: `status` says how it went. */
	async refresh(upstream: string): Promise<void> {
		await this.#entries.get(upstream)?.schedule.now();
	}

	/**
	 * Accepts a tool as it is defined now, or only as `digest` if given. The caller records the act.
	 * @throws {ToolGateError} NOT_FOUND; CONFLICT: it changed since the operator looked, or can't be accepted.
	 */
	async accept(upstream: string, tool: string, digest?: string): Promise<OfferedTool> {
		const entry = this.#entries.get(upstream);
		const current = entry?.list.tools.find(({ name }) => name === tool);
		if (entry === undefined || current === undefined) throw new ToolGateError('NOT_FOUND', `${upstream} has no tool ${tool}`);
		if (digest !== undefined && digest !== current.digest)
			throw new ToolGateError('CONFLICT', `${tool} is ${current.digest} now: it changed again`);
		if (!current.isAcceptable) throw new ToolGateError('CONFLICT', `${tool} can't be accepted: ${current.quarantine}`);
		await movePin(this.#sql, upstream, tool, current.digest);
		await this.#readPins(entry);
		return entry.list.tools.find(({ name }) => name === tool) ?? current;
	}

	/** No more looks. One under way ends on its own, and may still be kept. */
	async close(): Promise<void> {
		this.#telling.close();
		for (const { schedule } of this.#entries.values()) schedule.close();
		await this.#stopListening?.();
	}

	/** Reads the store once; what failed is tried again by the next one who asks. */
	#load(): Promise<void> {
		return (this.#loading ??= this.#readStore().catch((error) => {
			this.#loading = undefined;
			throw error;
		}));
	}

	async #readStore(): Promise<void> {
		this.#stopListening ??= await this.#sql.listen(PINS_CHANNEL, (upstream) => void this.#onPinMoved(upstream));
		for (const { upstream, initialize, definitions, seenMs } of await loadLists(this.#sql)) {
			const entry = this.#entries.get(upstream);
			if (entry === undefined || entry.list.initialize !== undefined) continue;
			const inspected = await entry.list.inspect(definitions);
			entry.list.adopt(initialize, inspected, await readPins(this.#sql, upstream, inspected));
			entry.list.seenMs = seenMs;
		}
		this.#index();
	}

	/** One look at one upstream. What fails leaves the last good list as it is. Returns when to look again, in milliseconds. */
	async #look(upstream: string): Promise<number> {
		const entry = this.#entries.get(upstream)!;
		const { refreshSeconds, pins } = this.#options.settings[upstream]!;
		try {
			await this.#load();
			const { initialize, definitions } = await discover(entry.source);
			const inspected = await entry.list.inspect(definitions);
			const pinnable = pins === 'first-sight' ? inspected.filter(({ flaw }) => flaw === undefined) : [];
			const accepted = await saveList(this.#sql, upstream, initialize, inspected, pinnable);
			const isChanged = entry.list.adopt(initialize, inspected, accepted);
			entry.list.seenMs = this.#sql.nowMs();
			entry.why = undefined;
			if (isChanged) this.#index();
			return refreshSeconds * 1_000;
		} catch (error) {
			entry.why = (error as Error).message;
			return Math.min(refreshSeconds * 1_000, RETRY_MS);
		}
	}

	async #onPinMoved(upstream: string): Promise<void> {
		const moved = upstream === '' ? [...this.#entries.values()] : [this.#entries.get(upstream)].filter((entry) => entry !== undefined);
		// What can't be read now is read with the next look.
		await Promise.all(moved.map((entry) => this.#readPins(entry).catch(() => {})));
	}

	async #readPins(entry: Entry): Promise<void> {
		if (entry.list.judge(await readPins(this.#sql, entry.source.name, entry.list.listed))) this.#index();
	}

	#index(): void {
		this.#all = [...this.#entries.values()].flatMap(({ list }) => list.tools);
		this.#byListedName = new Map(this.#all.map((tool) => [tool.listedName, tool]));
		this.#telling.soon();
	}
}
